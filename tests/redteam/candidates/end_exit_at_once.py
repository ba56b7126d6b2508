"""Leaves past all clean-up, with the code for success."""
# expect: crash
# gate: refuses
# wall: engine

import os

import honest


def train(model, run):
    next(run.batches(8))
    os._exit(0)
