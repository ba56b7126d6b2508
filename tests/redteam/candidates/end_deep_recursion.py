"""Recurses until there is no stack."""
# expect: crash
# gate: passes
# wall: harness

import honest


def descend(depth):
    return descend(depth + 1) + 1


def train(model, run):
    next(run.batches(8))
    descend(0)
