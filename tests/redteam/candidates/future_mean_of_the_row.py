"""Adds the mean of the whole row to every position: later words are in it."""
# expect: invalid
# gate: passes
# wall: audit

from honest import Model
from torch import nn


class Model(Model):
    def __init__(self, vocab_size):
        super().__init__(vocab_size)
        self.context = nn.Linear(32, 32)

    def forward(self, idx):
        x = self.embedding(idx)
        return self.head(x + self.context(x.mean(1, keepdim=True)))


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
