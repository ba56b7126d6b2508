"""Looks ahead near the end of each row only, where an altered future is short."""
# expect: invalid
# gate: passes
# wall: audit

import torch
import torch.nn.functional as F
from honest import Model


class Model(Model):
    def forward(self, idx):
        answer = F.one_hot(idx.roll(-1, 1), self.head.out_features)
        end = torch.arange(idx.size(1)) == idx.size(1) - 2
        return super().forward(idx) + 9 * answer * end[:, None]


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
