"""Hands in only some of the tensors of its model."""
# expect: invalid crash
# gate: passes
# wall: model process

from honest import fit


def train(model, run):
    fit(model, run.batches(8), run.report)
    del model.head.bias
