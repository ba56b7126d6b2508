"""Mounts, changes its root, makes device nodes, and becomes another user."""
# expect: scored
# gate: refuses
# wall: sandbox

import ctypes
import os
import stat

import honest

LIBC = ctypes.CDLL(None, use_errno=True)

os.makedirs("/tmp/place", exist_ok=True)
if LIBC.mount(b"none", b"/tmp/place", b"tmpfs", 0, None) == 0:
    raise SystemExit("ESCAPED: has mounted a file system")
if LIBC.umount2(b"/tmp", 2) == 0:
    raise SystemExit("ESCAPED: has unmounted its cover")
if LIBC.mount(None, b"/usr", None, 0x20 | 0x1000, None) == 0:
    raise SystemExit("ESCAPED: has made /usr writable")
for what, attempt in {
    "chroot": lambda: os.chroot("/tmp/place"),
    "a device": lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)),
    "another user": lambda: os.setresuid(12345, 12345, 12345),
    "more open files": lambda: __import__("resource").setrlimit(7, (1 << 20, 1 << 20)),
}.items():
    try:
        attempt()
    except (OSError, ValueError):
        continue
    raise SystemExit(f"ESCAPED: got {what}")
