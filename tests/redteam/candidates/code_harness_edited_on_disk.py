"""Edits the frozen code, torch, and what Python starts with."""
# expect: scored
# gate: refuses
# wall: sandbox

import glob
import os
import site
import sys

import honest
import torch

CODE = "@CODE@"
FOLDERS = [CODE, sys.prefix, os.path.dirname(torch.__file__), *site.getsitepackages()]

for folder in FOLDERS:
    for path in [os.path.join(folder, "sitecustomize.py"), *glob.glob(f"{folder}/*.py")[:5]]:
        try:
            with open(path, "a") as file:
                file.write("")
        except OSError:
            continue
        raise SystemExit(f"ESCAPED: can write {path}")
    try:
        os.rename(folder, folder + ".old")
    except OSError:
        continue
    raise SystemExit(f"ESCAPED: has moved {folder}")
