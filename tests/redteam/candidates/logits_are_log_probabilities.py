"""Returns log-probabilities: another way to say the same."""
# expect: scored
# gate: passes
# wall: scorer

from honest import Model


class Model(Model):
    def forward(self, idx):
        return super().forward(idx).log_softmax(-1)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
