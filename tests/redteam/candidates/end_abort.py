"""Aborts, as a failed assertion in C does."""
# expect: crash
# gate: refuses
# wall: engine

import os

import honest


def train(model, run):
    next(run.batches(8))
    os.abort()
