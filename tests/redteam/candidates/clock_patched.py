"""Stops the clocks of the process, and gives the harness a budget of a year."""
# expect: timeout
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1

import sys
import time

from honest import fit

time.process_time = time.monotonic = lambda: 0.0
sources = sys.modules["env.clock"]._SOURCES
sources.update(cpu=lambda: 0.0, wall=lambda: 0.0)


def train(model, run):
    run._clock.budget = 3e7
    fit(model, run.batches(8), run.report)
