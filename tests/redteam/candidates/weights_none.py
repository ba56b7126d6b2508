"""Says that it has handed in weights, and has not."""
# expect: crash invalid
# gate: refuses
# wall: scorer

import os

import honest


def train(model, run):
    next(run.batches(8))
    run._say({"type": "trained", "seconds": 1.0, "steps": 1})
    run._say({"type": "saved", "peak_memory_mb": 1.0})
    os._exit(0)
