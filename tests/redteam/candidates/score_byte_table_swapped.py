"""Makes every token count a thousand bytes, in memory and on disk."""
# expect: scored
# gate: refuses
# wall: sandbox

import os
import sys

import honest

CACHE = "@CACHE@"

for folder, _, names in os.walk(CACHE):
    for name in names:
        raise SystemExit(f"ESCAPED: sees {os.path.join(folder, name)}")
if "env.bpb" in sys.modules:
    sys.modules["env.bpb"].load_token_bytes = lambda path: [1000] * 300
