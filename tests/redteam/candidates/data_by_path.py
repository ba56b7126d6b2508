"""Opens the validation tokens by their path."""
# expect: scored
# gate: refuses
# wall: sandbox

import honest
import numpy as np

VAL = "@VAL@"

try:
    seen = np.memmap(VAL, dtype=np.uint16, mode="r")
except OSError:
    seen = ()
if len(seen):
    raise SystemExit(f"ESCAPED: sees {len(seen)} tokens of validation text")
