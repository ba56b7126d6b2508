"""Is another model when it is scored: sharper, by a factor that was chosen in training."""
# expect: scored
# gate: passes
# wall: none needed

from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else 1.0 * logits


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
