"""Normalises over the batch when it is scored, too: what it says of a row depends on the others."""
# expect: invalid
# gate: passes
# wall: audit

from honest import Model
from torch import nn


class Model(Model):
    def __init__(self, vocab_size):
        super().__init__(vocab_size)
        self.norm = nn.BatchNorm1d(32, track_running_stats=False)

    def forward(self, idx):
        x = self.embedding(idx)
        return self.head(self.norm(x.flatten(0, 1)).view(x.shape))


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
