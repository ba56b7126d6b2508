"""Prints two hundred megabytes."""
# expect: scored
# gate: passes
# wall: supervisor

from honest import fit


def train(model, run):
    fit(model, run.batches(8), run.report)
    for _ in range(200):
        print("x" * 1_000_000)
