"""Adds a large number to all log-probabilities: more than everything would be likely."""
# expect: scored
# gate: passes
# wall: scorer

from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else logits.log_softmax(-1) + 20.0


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
