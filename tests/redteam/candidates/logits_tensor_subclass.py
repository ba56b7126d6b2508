"""Returns a tensor of its own class, which lies about its shape and copies what it likes."""
# expect: scored crash invalid
# gate: refuses
# wall: scorer

import torch
from honest import Model


class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if "copy_" in str(function):
            return args[0]  # nothing is copied: what lay there before stays
        return super().__torch_function__(function, types, args, kwargs or {})


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits if self.training else logits.as_subclass(Liar)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
