"""Normalises over the positions of the row: an honest mistake, and a leak."""
# expect: invalid
# gate: passes
# wall: audit

from honest import Model


class Model(Model):
    def forward(self, idx):
        x = self.embedding(idx)
        return self.head((x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-5))


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
