"""Reports losses that look wonderful, and negative, and huge."""
# expect: scored
# gate: passes
# wall: scorer

from honest import fit


def train(model, run):
    fit(model, run.batches(8), lambda step, loss: run.report(step, (-1e30, 0.0, 1e30)[step % 3]))
