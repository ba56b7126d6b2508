"""Sets up io_uring, whose requests pass by filters of system calls."""
# expect: scored
# gate: refuses
# wall: seccomp

import ctypes

import honest

IO_URING_SETUP = 425

parameters = ctypes.create_string_buffer(120)
if ctypes.CDLL(None, use_errno=True).syscall(IO_URING_SETUP, 4, parameters) >= 0:
    raise SystemExit("ESCAPED: io_uring")
