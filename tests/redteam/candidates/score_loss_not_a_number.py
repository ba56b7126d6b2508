"""Reports a loss that is not a number."""
# expect: crash
# gate: passes
# wall: harness

from honest import fit


def train(model, run):
    fit(model, run.batches(8), lambda step, loss: run.report(step, float("nan")))
