"""Looks two tokens ahead, past the target, which tells something about it all the same."""
# expect: invalid
# gate: passes
# wall: audit

import torch
from honest import Model
from torch import nn


class Model(Model):
    def __init__(self, vocab_size):
        super().__init__(vocab_size)
        self.after = nn.Embedding(vocab_size, 32)

    def forward(self, idx):
        later = torch.cat((idx[:, 2:], idx.new_zeros(idx.size(0), 2)), 1)
        return self.head(self.embedding(idx) + self.after(later))


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
