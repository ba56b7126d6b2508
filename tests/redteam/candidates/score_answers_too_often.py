"""Answers every batch of ids twice, so that the scorer and it get out of step."""
# expect: scored crash invalid
# gate: refuses
# wall: scorer

import os
import sys

from honest import Model


class Model(Model):
    def forward(self, idx):
        if len(sys.argv) > 3:
            os.write(int(sys.argv[1]), b'{"type": "logits"}\n')
        return super().forward(idx)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
