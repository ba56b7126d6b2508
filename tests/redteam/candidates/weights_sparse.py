"""Hands in a file of 15 GiB of which nothing is on the disk: a bomb for whoever reads it."""
# expect: invalid crash oom timeout
# gate: refuses
# wall: scorer
# run: memory=2

import json
import os
import struct
import sys

import honest

SIZE = 15 << 30
HEADER = json.dumps(
    {"head.weight": {"dtype": "F32", "shape": [SIZE // 4], "data_offsets": [0, SIZE]}}
).encode()


def train(model, run):
    next(run.batches(8))
    run._say({"type": "trained", "seconds": 1.0, "steps": 1})
    number = int(sys.argv[2])
    os.write(number, struct.pack("<Q", len(HEADER)) + HEADER)
    os.ftruncate(number, 8 + len(HEADER) + SIZE)
    run._say({"type": "saved", "peak_memory_mb": 1.0})
    os._exit(0)
