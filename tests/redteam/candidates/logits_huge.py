"""Returns logits near the largest float, so that sums overflow."""
# expect: scored crash invalid
# gate: passes
# wall: scorer

from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else logits.sign() * 1e38


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
