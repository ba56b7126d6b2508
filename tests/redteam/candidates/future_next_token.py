"""Looks at the next token, which is the target."""
# expect: invalid
# gate: passes
# wall: audit

import torch.nn.functional as F
from honest import Model


class Model(Model):
    def forward(self, idx):
        answer = F.one_hot(idx.roll(-1, 1), self.head.out_features)
        return super().forward(idx) + 9 * answer


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
