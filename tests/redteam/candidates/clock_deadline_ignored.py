"""Goes on with the batches that it has got when no more come."""
# expect: timeout
# gate: passes
# wall: supervisor
# run: clock=cpu budget=1

import itertools

from honest import fit


def train(model, run):
    kept = list(itertools.islice(run.batches(8), 50))
    while True:
        fit(model, kept, run.report)
