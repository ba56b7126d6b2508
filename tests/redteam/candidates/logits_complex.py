"""Returns complex numbers."""
# expect: scored crash invalid
# gate: passes
# wall: model process

import torch
from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else torch.complex(logits, logits * 1e6)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
