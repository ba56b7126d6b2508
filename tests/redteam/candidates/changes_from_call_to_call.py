"""Grows less confident with every call: what it says depends on what it has seen."""
# expect: invalid scored
# gate: passes
# wall: audit

from honest import Model

CALLS = [0]


class Model(Model):
    def forward(self, idx):
        CALLS[0] += not self.training
        return super().forward(idx) * (1 - 0.02 * CALLS[0])


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
