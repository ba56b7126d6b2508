"""Types a command into the terminal that the engine was started from."""
# expect: scored
# gate: refuses
# wall: sandbox

import fcntl
import os
import termios

import honest

for path in ("/dev/tty", "/dev/console", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"):
    try:
        number = os.open(path, os.O_RDWR | os.O_NOCTTY)
        for letter in b"id\n":
            fcntl.ioctl(number, termios.TIOCSTI, bytes([letter]))
    except OSError:
        continue
    raise SystemExit(f"ESCAPED: has typed into {path}")
