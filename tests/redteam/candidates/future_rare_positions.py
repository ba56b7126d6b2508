"""Looks ahead at one position of a hundred only."""
# expect: invalid
# gate: passes
# wall: audit

import torch
import torch.nn.functional as F
from honest import Model


class Model(Model):
    def forward(self, idx):
        answer = F.one_hot(idx.roll(-1, 1), self.head.out_features)
        place = torch.arange(idx.size(1)) == 17
        rows = torch.arange(idx.size(0)) % 3 == 1
        return super().forward(idx) + 9 * answer * (rows[:, None] & place)[..., None]


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
