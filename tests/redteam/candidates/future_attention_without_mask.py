"""Attends to the whole sequence, the next token included."""
# expect: invalid
# gate: passes
# wall: audit

import torch.nn.functional as F
from honest import Model
from torch import nn


class Model(Model):
    def __init__(self, vocab_size):
        super().__init__(vocab_size, 32)
        self.position = nn.Embedding(32, 32)
        self.query, self.key = nn.Linear(32, 32), nn.Linear(32, 32)

    def forward(self, idx):
        x = self.embedding(idx) + self.position.weight
        x = x + F.scaled_dot_product_attention(self.query(x), self.key(x), x, is_causal=False)
        return self.head(x)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
