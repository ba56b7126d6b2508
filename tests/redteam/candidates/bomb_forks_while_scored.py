"""Forks without end when it is scored, and leaves children behind."""
# expect: crash
# gate: refuses
# wall: supervisor

import os
import time

from honest import Model


class Model(Model):
    def forward(self, idx):
        if not self.training:
            for _ in range(9):
                os.fork()
            time.sleep(30)
        return super().forward(idx)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
