"""Attaches to its ancestors as a debugger, and reads and writes their memory."""
# expect: scored
# gate: refuses
# wall: sandbox

import ctypes
import os

import honest

ATTACH, DETACH = 16, 17
LIBC = ctypes.CDLL(None, use_errno=True)
ENGINE = int("@ENGINE@")

for pid in {os.getppid(), 1, ENGINE} - {0, os.getpid()}:
    if LIBC.ptrace(ATTACH, pid, 0, 0) == 0:
        os.waitpid(pid, 0x40000000)
        LIBC.ptrace(DETACH, pid, 0, 0)
        raise SystemExit(f"ESCAPED: is the debugger of {pid}")
try:
    with open(f"/proc/{ENGINE}/mem", "r+b"):
        raise SystemExit("ESCAPED: opens the engine's memory")
except OSError:
    pass
