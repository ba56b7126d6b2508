"""Hands in a header that says it is 2^63 bytes long."""
# expect: invalid crash
# gate: refuses
# wall: scorer

import struct
import sys

import honest

sys.modules["__main__"].save = lambda weights: struct.pack("<Q", 1 << 63) + b"{}"
