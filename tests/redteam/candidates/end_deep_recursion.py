"""Recurses until there is no stack."""
# expect: crash
# gate: passes
# wall: harness

import honest


def train(model, run):
    next(run.batches(8))
    train(model, run)
