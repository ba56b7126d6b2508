"""Says that it has trained, and trains on in the time that is meant for handing in weights."""
# expect: timeout
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1

import itertools
import time

from honest import fit


def train(model, run):
    kept = []

    def batches():
        for batch in run.batches(8):
            kept.append(batch)
            yield batch

    fit(model, batches(), run.report)
    run._say({"type": "trained", "seconds": 1.0, "steps": len(kept)})
    end = time.process_time() + 1.7
    more = itertools.takewhile(lambda batch: time.process_time() < end, itertools.cycle(kept))
    fit(model, more)
