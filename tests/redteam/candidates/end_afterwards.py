"""Acts when all is over: exit handlers and destructors, which print a score and loop."""
# expect: scored
# gate: refuses
# wall: harness

import atexit

from honest import fit


class Last:
    def __del__(self):
        print("val_bpb: 0.0")
        while True:
            pass


LAST = Last()


def train(model, run):
    atexit.register(lambda: [print("val_bpb: 0.0") for _ in iter(int, 1)])
    fit(model, run.batches(8), run.report)
