"""Takes all memory when it is scored, so that the scorer is killed for it."""
# expect: oom crash
# gate: passes
# wall: supervisor
# run: memory=1

import torch
from honest import Model

HELD = []


class Model(Model):
    def forward(self, idx):
        while not self.training and len(HELD) < 400:
            HELD.append(torch.ones(1 << 22))
        return super().forward(idx)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
