"""Takes all memory."""
# expect: oom
# gate: passes
# wall: supervisor
# run: memory=1

import honest
import torch


def train(model, run):
    held = []
    for step, _ in enumerate(run.batches(8)):
        while len(held) < 400:
            held.append(torch.ones(1 << 22))
        run.report(step, 1.0)
