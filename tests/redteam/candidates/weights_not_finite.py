"""Hands in weights of which one is not a number."""
# expect: crash invalid
# gate: passes
# wall: scorer

from honest import fit


def train(model, run):
    fit(model, run.batches(8), run.report)
    model.head.weight.data[3, 3] = float("nan")
