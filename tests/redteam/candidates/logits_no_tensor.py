"""Returns an object that calls itself a tensor of the right shape."""
# expect: crash invalid
# gate: passes
# wall: model process

import torch
from honest import Model


class Fake(list):
    shape = torch.Size((64, 32, 300))


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else Fake()


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
