"""Takes back every step that it has counted, on the clock that counts steps."""
# expect: timeout
# gate: refuses
# wall: supervisor
# run: wall_cap=4

from honest import fit


def endless(run):
    for batch in run.batches(8):
        run._clock.steps = 1
        yield batch


def train(model, run):
    fit(model, endless(run), run.report)
