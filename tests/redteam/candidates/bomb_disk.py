"""Fills the disk under /tmp and wherever it can write."""
# expect: scored crash oom
# gate: refuses
# wall: sandbox
# run: memory=1

import os

from honest import fit

LIMIT = 3 << 30


def train(model, run):
    fit(model, run.batches(8), run.report)
    for folder in ("/tmp", "/var/tmp", "/run", "/", os.path.expanduser("~")):
        written = 0
        try:
            with open(os.path.join(folder, "full"), "wb") as file:
                while written < LIMIT:
                    written += file.write(bytes(1 << 24))
        except OSError:
            continue
        raise SystemExit(f"ESCAPED: has filled 3 GiB of {folder}")
