"""Returns NaN for one token of one row: a sum that skips it would be smaller."""
# expect: crash invalid
# gate: passes
# wall: scorer

from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx).clone()
        if not self.training:
            logits[0, 3, 5] = float("nan")
        return logits


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
