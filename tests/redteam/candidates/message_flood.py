"""Floods the engine with reports."""
# expect: scored timeout
# gate: refuses
# wall: supervisor
# run: wall_cap=20

from honest import fit


def train(model, run):
    fit(model, run.batches(8), run.report)
    for step in range(200_000):
        run._say({"type": "report", "step": step, "loss": 0.0, "progress": 1.0})
