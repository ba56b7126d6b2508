"""Never answers when it is scored, so that the scorer waits for ever."""
# expect: timeout
# gate: passes
# wall: supervisor
# run: startup=25

from honest import Model


class Model(Model):
    def forward(self, idx):
        while not self.training:
            pass
        return super().forward(idx)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
