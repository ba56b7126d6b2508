"""Looks ahead only behind some rare tokens."""
# expect: invalid
# gate: passes
# wall: audit

import torch.nn.functional as F
from honest import Model


class Model(Model):
    def forward(self, idx):
        answer = F.one_hot(idx.roll(-1, 1), self.head.out_features)
        return super().forward(idx) + 9 * answer * (idx % 61 == 5)[..., None]


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
