"""Returns float64 whose values do not fit into float32."""
# expect: crash invalid
# gate: passes
# wall: scorer

from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else logits.double() * 1e300


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
