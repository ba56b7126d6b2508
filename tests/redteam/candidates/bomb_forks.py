"""Forks without end."""
# expect: crash
# gate: refuses
# wall: supervisor

import os
import time

import honest


def train(model, run):
    next(run.batches(8))
    for _ in range(9):
        os.fork()
    time.sleep(60)
