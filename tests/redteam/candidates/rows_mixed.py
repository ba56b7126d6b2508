"""Mixes the rows of a batch: each one sees the mean of the next one."""
# expect: invalid
# gate: passes
# wall: audit

from honest import Model


class Model(Model):
    def forward(self, idx):
        x = self.embedding(idx)
        return self.head(x + 0.5 * x.roll(-1, 0).mean(1, keepdim=True))


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
