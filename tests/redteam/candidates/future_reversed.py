"""Runs a recurrent layer from the end of the text to its beginning."""
# expect: invalid
# gate: passes
# wall: audit

import torch
from honest import Model
from torch import nn


class Model(Model):
    def __init__(self, vocab_size):
        super().__init__(vocab_size)
        self.back = nn.GRU(32, 32, batch_first=True)

    def forward(self, idx):
        x = self.embedding(idx)
        states = self.back(x.flip(1))[0].flip(1)
        later = torch.cat((states[:, 1:], torch.zeros_like(states[:, :1])), 1)
        return self.head(x + later)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
