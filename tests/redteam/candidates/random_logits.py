"""Draws noise into its logits, and tries its luck."""
# expect: invalid scored
# gate: passes
# wall: audit

import torch
from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else logits + 0.5 * torch.randn_like(logits)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
