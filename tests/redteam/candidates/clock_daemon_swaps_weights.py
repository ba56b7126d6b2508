"""Leaves a process behind that trains on, and writes its weights over those handed in."""
# expect: scored timeout crash
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1

import itertools
import os
import sys

from honest import fit
from safetensors.torch import save


def train(model, run):
    kept = list(itertools.islice(run.batches(8), 50))
    weights = os.dup(int(sys.argv[2]))
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                fit(model, kept)
                os.pwrite(weights, save(model.state_dict()), 0)
        os._exit(0)
    fit(model, run.batches(8), run.report)
