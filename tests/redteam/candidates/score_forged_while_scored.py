"""Sends the scorer's own answer from the model process."""
# expect: scored crash
# gate: refuses
# wall: scorer

import os
import sys

import honest

ANSWER = b'{"type": "scored", "val_bpb": 0.0, "nats": 0.0, "bytes": 1, "seconds": 0.1}\n'

if len(sys.argv) > 3:  # the model process has more descriptors than the trial
    for name in os.listdir("/proc/self/fd"):
        try:
            os.write(int(name), ANSWER)
        except OSError:
            pass
