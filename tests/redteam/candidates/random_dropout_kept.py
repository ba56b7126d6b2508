"""Keeps dropping out when it is scored."""
# expect: invalid scored
# gate: passes
# wall: audit

import torch.nn.functional as F
from honest import Model


class Model(Model):
    def forward(self, idx):
        return self.head(F.dropout(self.embedding(idx), 0.2, training=True))


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
