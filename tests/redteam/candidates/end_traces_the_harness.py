"""Traces the harness's own calls, and changes the variables in its frames."""
# expect: scored timeout crash
# gate: refuses
# wall: supervisor
# run: clock=cpu budget=1

import sys

from honest import fit

frame = sys._getframe()
while frame is not None:
    clock = frame.f_locals.get("clock")
    order = frame.f_locals.get("order")
    if isinstance(order, dict):
        order["budget"] = 1e9
        order["seed"] = 12345
    if clock is not None:
        clock.budget = 1e9
    frame = frame.f_back


def train(model, run):
    sys.settrace(lambda frame, event, argument: None)
    fit(model, run.batches(8), run.report)
