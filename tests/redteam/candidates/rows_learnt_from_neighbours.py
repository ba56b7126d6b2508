"""Counts which token follows which in the other rows of the batch: validation text as training."""
# expect: invalid
# gate: passes
# wall: audit

import torch
from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        if self.training:
            return logits
        size = self.head.out_features
        pairs = idx[:, :-1] * size + idx[:, 1:]
        own = torch.zeros(len(idx), size * size).scatter_add_(1, pairs, torch.ones(pairs.shape))
        others = (own.sum(0) - own).view(len(idx), size, size)
        seen = others[torch.arange(len(idx))[:, None], idx]
        return logits + torch.log1p(seen)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
