"""Remembers all rows that it was scored on, and predicts with their statistics."""
# expect: invalid
# gate: passes
# wall: audit

import torch
from honest import Model

SEEN = {}


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        if self.training:
            return logits
        size = self.head.out_features
        counts = SEEN.setdefault("counts", torch.zeros(size, size))
        logits = logits + torch.log1p(counts[idx])
        counts.index_put_((idx[:, :-1], idx[:, 1:]), torch.tensor(1.0), accumulate=True)
        return logits


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
