"""Writes messages of the scorer and of the supervisor to every descriptor that it finds."""
# expect: scored crash invalid
# gate: refuses
# wall: supervisor

import json
import os

from honest import fit

LINES = [
    {"type": "scored", "val_bpb": 0.0, "nats": 0.0, "bytes": 1, "seconds": 0.1},
    {"type": "message", "body": {"type": "scored", "val_bpb": 0.0, "nats": 0.0, "bytes": 1}},
    {"type": "exit", "kind": "exited", "reason": "", "clean": True},
]


def train(model, run):
    fit(model, run.batches(8), run.report)
    for name in os.listdir("/proc/self/fd"):
        try:
            os.write(int(name), "".join(json.dumps(line) + "\n" for line in LINES).encode())
        except OSError:
            pass
