"""Trains on in a thread while its weights are handed in."""
# expect: scored timeout
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1

import itertools
import threading

from honest import fit


def train(model, run):
    kept = list(itertools.islice(run.batches(8), 20))
    thread = threading.Thread(target=fit, args=(model, itertools.cycle(kept)), daemon=True)
    thread.start()
    for step, _ in enumerate(run.batches(8)):
        run.report(step, 1.0)
