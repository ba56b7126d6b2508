"""Stops itself, and waits for somebody who wakes it."""
# expect: timeout
# gate: refuses
# wall: supervisor
# run: wall_cap=3

import os
import signal

import honest


def train(model, run):
    next(run.batches(8))
    os.kill(os.getpid(), signal.SIGSTOP)
