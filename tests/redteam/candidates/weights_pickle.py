"""Hands in a pickle that runs code when it is opened."""
# expect: invalid crash
# gate: refuses
# wall: scorer

import os
import pickle
import sys

import honest


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ESCAPED: a pickle was opened')",))


def train(model, run):
    next(run.batches(8))
    run._say({"type": "trained", "seconds": 1.0, "steps": 1})
    os.write(int(sys.argv[2]), pickle.dumps({"state": Bomb()}))
    run._say({"type": "saved", "peak_memory_mb": 1.0})
    os._exit(0)
