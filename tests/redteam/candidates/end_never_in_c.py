"""Never returns from a call into C, deaf to every signal that Python handles."""
# expect: timeout
# gate: passes
# wall: supervisor
# run: clock=cpu budget=1

import re

import honest


def train(model, run):
    next(run.batches(8))
    re.match("(a+)+$", "a" * 60 + "b")
