"""Trains in children that it does not wait for, whose processor time nobody would add up."""
# expect: timeout
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1

import itertools
import os
import time

from honest import fit


def train(model, run):
    kept = list(itertools.islice(run.batches(8), 20))
    for _ in range(3):
        if os.fork() == 0:
            if os.fork() == 0:
                os.setsid()
                fit(model, itertools.cycle(kept))
            os._exit(0)
    time.sleep(60)
