"""Says a second time that it is ready, so that the clock outside starts anew."""
# expect: timeout crash
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1

import itertools

from honest import fit


def train(model, run):
    kept = list(itertools.islice(run.batches(8), 50))
    while True:
        run._say({"type": "ready"})
        fit(model, kept, run.report)
