"""Hands in tensors that its model does not have."""
# expect: invalid crash
# gate: passes
# wall: model process

from honest import fit
from torch import nn


def train(model, run):
    fit(model, run.batches(8), run.report)
    model.more = nn.Linear(3, 3)
