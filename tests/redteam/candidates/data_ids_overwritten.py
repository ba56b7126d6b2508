"""Writes other token ids into the memory that it shares with the scorer: easier ones to predict."""
# expect: scored crash invalid
# gate: refuses
# wall: scorer

import os
import sys

from honest import Model


class Model(Model):
    def forward(self, idx):
        for argument in sys.argv[3:4]:
            try:
                number = os.open(f"/proc/self/fd/{argument}", os.O_RDWR)
                os.pwrite(number, bytes(8 * idx.numel()), 0)
                os.close(number)
            except OSError:
                pass
        return super().forward(idx)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
