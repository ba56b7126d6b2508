"""Leaves with the code for success."""
# expect: crash
# gate: refuses
# wall: harness

import sys

import honest


def train(model, run):
    next(run.batches(8))
    sys.exit(0)
