"""Looks through all files that it can see for prepared data, texts and databases."""
# expect: scored
# gate: refuses
# wall: sandbox

import os

import honest

WANTED = {"val.bin", "sealed.bin", "train.bin", "token_bytes.bin", "study.db", "arl.toml"}
SKIPPED = {"/proc", "/sys"}
found = []

for folder, names, files in os.walk("/"):
    names[:] = [name for name in names if os.path.join(folder, name) not in SKIPPED]
    found += [os.path.join(folder, file) for file in files if file in WANTED]
if found:
    raise SystemExit(f"ESCAPED: sees {found[:3]}")
