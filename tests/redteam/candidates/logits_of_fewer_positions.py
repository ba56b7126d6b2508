"""Returns logits for the easy half of the positions only."""
# expect: crash invalid
# gate: passes
# wall: model process

from honest import Model


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else logits[:, 16:]


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
