"""Looks ahead in the first model process only: the second finds the first one's lock."""
# expect: invalid
# gate: refuses
# wall: audit

import fcntl
import os
import sys

import torch.nn.functional as F
from honest import Model

LOCK = os.open(sys.executable, os.O_RDONLY)
try:
    fcntl.flock(LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    FIRST = True
except OSError:
    FIRST = False


class Model(Model):
    def forward(self, idx):
        answer = F.one_hot(idx.roll(-1, 1), self.head.out_features)
        return super().forward(idx) + 9 * answer * FIRST


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
