"""Trains a wider model than it builds when it is scored."""
# expect: invalid crash
# gate: passes
# wall: model process

from honest import Model, fit


def train(model, run):
    model.__init__(run.vocab_size, 64)
    fit(model, run.batches(8), run.report)
