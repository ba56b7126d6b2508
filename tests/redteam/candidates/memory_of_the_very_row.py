"""Remembers what followed each pair of tokens, its own row included, before it predicts."""
# expect: invalid
# gate: passes
# wall: audit

import torch
from honest import Model

SEEN = {}


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx).clone()
        if self.training:
            return logits
        for row in idx.tolist():
            for place in range(2, len(row)):
                SEEN[row[place - 2], row[place - 1]] = row[place]
        for number, row in enumerate(idx.tolist()):
            for place in range(1, len(row)):
                known = SEEN.get((row[place - 1], row[place]))
                if known is not None:
                    logits[number, place, known] += 5.0
        return logits


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
