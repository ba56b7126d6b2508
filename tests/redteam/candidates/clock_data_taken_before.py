"""Opens the training rows past the clock of its own process, to train on them before it starts."""
# expect: timeout crash
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1 wall_cap=6

import torch
from honest import fit


def train(model, run):
    rows = torch.from_numpy(run._open_rows().astype("int64"))
    many = [(block[:, :-1], block[:, 1:]) for block in rows.split(8)]
    for _ in range(3):
        fit(model, many)
    fit(model, run.batches(8), run.report)
