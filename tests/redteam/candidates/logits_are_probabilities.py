"""Returns probabilities, as if the scorer took the logarithm of what it gets."""
# expect: scored
# gate: passes
# wall: scorer

from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else logits.softmax(-1)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
