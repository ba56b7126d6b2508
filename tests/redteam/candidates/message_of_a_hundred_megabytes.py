"""Sends one message of a hundred megabytes."""
# expect: crash
# gate: refuses
# wall: supervisor

from honest import fit


def train(model, run):
    fit(model, run.batches(8), run.report)
    run._say({"type": "report", "step": 1, "loss": 0.0, "progress": 1.0, "x": "x" * 100_000_000})
