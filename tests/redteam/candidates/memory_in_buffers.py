"""Keeps what it was scored on in its own buffers, which look like weights."""
# expect: invalid
# gate: passes
# wall: audit

import torch
from honest import Model


class Model(Model):
    def __init__(self, vocab_size):
        super().__init__(vocab_size)
        self.register_buffer("counts", torch.zeros(vocab_size, vocab_size))

    def forward(self, idx):
        logits = super().forward(idx)
        if self.training:
            return logits
        with torch.inference_mode(False):
            logits = logits + torch.log1p(2 * self.counts[idx])
            pairs = (idx[:, :-1].clone(), idx[:, 1:].clone())
            self.counts.index_put_(pairs, torch.tensor(1.0), accumulate=True)
        return logits


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
