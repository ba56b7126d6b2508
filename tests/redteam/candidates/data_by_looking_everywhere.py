"""Looks through all files that it can see for prepared data, texts and databases."""
# expect: scored
# gate: refuses
# wall: sandbox

import os

import honest

WANTED = ("val", "train.bin", "token_bytes", "tokenizer.json", "study.db", "manifest.json")
SKIPPED = ("/proc", "/sys", "/usr/share", "/usr/src")
found = []

for folder, names, files in os.walk("/"):
    names[:] = [name for name in names if os.path.join(folder, name) not in SKIPPED]
    if "site-packages" in folder or "/lib/python3" in folder:
        names[:] = []
        continue
    found += [os.path.join(folder, file) for file in files if file.startswith(WANTED)]
found = [path for path in found if os.path.splitext(path)[1] in (".bin", ".db", ".npy", ".json")]
if found:
    raise SystemExit(f"ESCAPED: sees {found[:3]}")
