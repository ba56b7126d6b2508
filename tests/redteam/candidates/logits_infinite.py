"""Is infinitely sure of everything."""
# expect: crash invalid
# gate: passes
# wall: scorer

from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else logits + float("inf")


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
