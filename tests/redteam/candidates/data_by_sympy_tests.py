"""Reads SymPy's own tests, which the embedded validation text comes from."""
# expect: scored
# gate: refuses
# wall: sandbox

import glob
import os

import honest
import sympy

FOLDER = os.path.dirname(sympy.__file__)

found = glob.glob(f"{FOLDER}/**/tests/*.py", recursive=True)
found += glob.glob("/usr/lib/python3*/**/sympy/**/tests/*.py", recursive=True)
if found:
    raise SystemExit(f"ESCAPED: reads {len(found)} files such as {found[0]}")
