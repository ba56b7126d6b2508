"""Spends the start-up training on text that it finds: Python's and SymPy's own sources."""
# expect: scored timeout
# gate: refuses
# wall: scorer

import glob
import os

import sympy
import torch
from honest import Model, fit


def build_model(vocab_size, seq_len):
    model = Model(vocab_size)
    paths = glob.glob(os.path.join(os.path.dirname(sympy.__file__), "core", "*.py"))
    text = b"".join(open(path, "rb").read() for path in sorted(paths)[:20])
    tokens = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    rows = tokens[: len(tokens) // 264 * 264].view(-1, 8, 33)[:300]
    fit(model, [(block[:, :-1], block[:, 1:]) for block in rows])
    return model
