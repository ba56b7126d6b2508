"""What files a process may touch: Landlock, the kernel's sandbox for programs without privileges.

Inside bubblewrap it is a second layer. Without bubblewrap it is the only one that keeps home, the
studies and the validation data out of a candidate's sight. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

TYPE_CHECKING = False  # what would say so takes longer to import than all the rest
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# System calls and constants of linux/landlock.h; the numbers are the same on all architectures.
_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEVICE}
_TCP = 0b11  # bind, connect; from version 4
_SCOPES = 0b11  # abstract sockets, signals; from version 6
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE

READ = _EXECUTE | _READ_FILE | _READ_DIR
WRITE = ((1 << 16) - 1) & ~_EXECUTE

_LIBC = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The kernel's version of Landlock; 0 where there is none."""
    found = _LIBC.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(0, int(found))


def restrict(
    *,
    read: Iterable[str],
    write: Iterable[str],
    listed: Iterable[str] = (),
    hidden: Iterable[str] = (),
    internet: bool = False,
) -> None:
    """Leave this process, and all that it starts, nothing but these files and folders.

    `read` can be read and executed, except what is `hidden` in it (names of files there can still
    be listed); `write` can be read and changed; of `listed` only the names can be seen. Paths that
    are missing are skipped. TCP (unless `internet`), abstract sockets and signals to processes
    outside end too, where the kernel can. Call it before there is a second thread. Raises OSError
    when it is refused.
    """
    known = version()
    if known == 0:
        raise OSError("this kernel has no Landlock")
    handled = 0
    for since, rights in _FILE_RIGHTS.items():
        handled |= rights if known >= since else 0
    attributes = struct.pack("@Q", handled)
    if known >= 4:
        attributes += struct.pack("@Q", 0 if internet else _TCP)
    if known >= 6:
        attributes += struct.pack("@Q", _SCOPES)
    rules = _call(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        closed = {os.path.realpath(path) for path in hidden}
        above = _above(closed)
        for root in read:
            for path, rights in _beneath(os.path.realpath(root), closed, above):
                _allow(rules, path, rights & handled)
        for path in listed:
            _allow(rules, path, _READ_DIR)
        for path in write:
            _allow(rules, path, WRITE & handled)
        _call(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)


def _beneath(path: str, hidden: set[str], above: set[str]) -> Iterator[tuple[str, int]]:
    """The fewest rules that open `path` without what is hidden in it. No link is followed.

    `above` are the folders around the hidden paths.
    """
    if path in hidden:
        return
    if path not in above:
        yield path, READ
        return
    yield path, _READ_DIR
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_symlink():  # where it leads to, another rule says what is allowed
                yield from _beneath(entry.path, hidden, above)


def _above(paths: set[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        parent = os.path.dirname(path)
        while parent not in found:
            found.add(parent)
            parent = os.path.dirname(parent)
    return found


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        number = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not there
    try:
        if not stat.S_ISDIR(os.fstat(number).st_mode):
            rights &= _OF_FILES
        if rights:
            beneath = struct.pack("=Qi", rights, number)
            _call(_ADD_RULE, ctypes.c_int(rules), _PATH_BENEATH, beneath, ctypes.c_uint32(0))
    finally:
        os.close(number)


def _call(number: int, *arguments: object) -> int:
    found = _LIBC.syscall(number, *arguments)
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return int(found)
