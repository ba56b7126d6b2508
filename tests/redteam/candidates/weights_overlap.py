"""Hands in tensors that lie over each other in the file."""
# expect: invalid crash
# gate: refuses
# wall: scorer

import json
import struct
import sys

import honest

ENTRY = {"dtype": "F32", "shape": [300, 32], "data_offsets": [0, 38400]}
HEADER = json.dumps({"head.weight": ENTRY, "embedding.weight": ENTRY}).encode()
BODY = struct.pack("<Q", len(HEADER)) + HEADER + bytes(38400)
sys.modules["__main__"].save = lambda weights: BODY
