"""Makes a user namespace of its own, in which it is root, and mounts there."""
# expect: scored
# gate: refuses
# wall: seccomp

import ctypes

import honest

NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000
LIBC = ctypes.CDLL(None, use_errno=True)

if LIBC.unshare(NEW_USER | NEW_MOUNTS) == 0:
    raise SystemExit("ESCAPED: is root in a namespace of its own")
