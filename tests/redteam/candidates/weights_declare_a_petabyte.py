"""Hands in a header of a few bytes that declares 10^15 numbers."""
# expect: invalid crash
# gate: refuses
# wall: scorer

import json
import struct
import sys

import honest

HEADER = json.dumps(
    {"head.weight": {"dtype": "F32", "shape": [10**15], "data_offsets": [0, 4 * 10**15]}}
).encode()
sys.modules["__main__"].save = lambda weights: struct.pack("<Q", len(HEADER)) + HEADER
