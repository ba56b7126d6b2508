"""Fills /dev/shm, which is memory that belongs to no process."""
# expect: scored crash oom
# gate: refuses
# wall: sandbox
# run: memory=1

from honest import fit

LIMIT = 3 << 30


def train(model, run):
    fit(model, run.batches(8), run.report)
    written = 0
    try:
        with open("/dev/shm/full", "wb") as file:
            while written < LIMIT:
                written += file.write(bytes(1 << 24))
    except OSError:
        return
    raise SystemExit("ESCAPED: has filled 3 GiB of memory")
