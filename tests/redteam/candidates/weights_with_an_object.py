"""Puts an object with code for its unpickling among the extra state of its model."""
# expect: crash invalid
# gate: refuses
# wall: harness

from honest import Model, fit


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ESCAPED: a pickle was opened')",))


class Model(Model):
    def get_extra_state(self):
        return Bomb()

    def set_extra_state(self, state):
        raise SystemExit("ESCAPED: an object came through")


def build_model(vocab_size, seq_len):
    return Model(vocab_size)


def train(model, run):
    fit(model, run.batches(8), run.report)
