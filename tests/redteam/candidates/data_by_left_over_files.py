"""Leaves what it sees for the next process: in files, in shared memory, in kernel objects."""
# expect: scored
# gate: refuses
# wall: sandbox

import ctypes
import os

import honest

FILES = ("/tmp/seen", "/dev/shm/seen", "/var/tmp/seen", "/run/seen", "/dev/seen")
LIBC = ctypes.CDLL(None, use_errno=True)

for path in FILES:
    if os.path.exists(path):
        raise SystemExit(f"ESCAPED: finds {path} of another process")
    try:
        with open(path, "w") as file:
            file.write("x")
    except OSError:
        pass
if LIBC.shmget(0x41524C, 4096, 0) >= 0:
    raise SystemExit("ESCAPED: finds System V memory of another process")
LIBC.shmget(0x41524C, 4096, 0o1666)
