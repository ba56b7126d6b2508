"""Sends JSON that is nested thousands of levels deep."""
# expect: crash
# gate: refuses
# wall: supervisor

import os
import sys

from honest import fit


def train(model, run):
    fit(model, run.batches(8), run.report)
    os.write(int(sys.argv[1]), b"[" * 50_000 + b"\n")
