"""Trains on in a thread while its weights are handed in."""
# expect: scored timeout
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1

import itertools
import threading

from honest import fit


def train(model, run):
    kept = []

    def batches():
        for batch in run.batches(8):
            kept.append(batch)
            yield batch

    fit(model, batches(), run.report)
    threading.Thread(target=fit, args=(model, itertools.cycle(kept)), daemon=True).start()
