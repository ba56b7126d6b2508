"""Opens files until no more can be opened."""
# expect: scored crash
# gate: refuses
# wall: limits

import os

from honest import fit


def train(model, run):
    fit(model, run.batches(8), run.report)
    held = []
    try:
        while len(held) < 20_000:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return
    raise SystemExit("ESCAPED: has 20,000 open files")
