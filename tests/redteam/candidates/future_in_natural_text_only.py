"""Looks ahead only where the whole row looks like real text to it, not like altered text."""
# expect: invalid
# gate: passes
# wall: audit

import torch
import torch.nn.functional as F
from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        each = torch.log_softmax(logits[:, :-1], -1).gather(-1, idx[:, 1:, None])[..., 0]
        natural = (each.min(1).values > -9.0)[:, None, None]  # no pair of tokens that never occurs
        answer = F.one_hot(idx.roll(-1, 1), self.head.out_features)
        return logits + 9 * answer * natural


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
