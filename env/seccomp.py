"""A filter of system calls that a candidate has no use for: seccomp, by a small BPF program.

It refuses the network, other processes' memory, namespaces and mounts, and doors of the kernel
that a training script never needs. A refused call fails with an error; it does not kill, so that
libraries which merely try can go on. Standard library only: this is part of what gets frozen.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

TYPE_CHECKING = False  # what would say so takes longer to import than all the rest
if TYPE_CHECKING:
    from collections.abc import Iterator

# Calls that are refused, by name: (number on x86_64, number on aarch64); None: not there.
# From the kernel's unistd.h of both.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # an io_uring does what this filter refuses
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # doors of the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "syslog": (103, 116),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "personality": (135, 92),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "vhangup": (153, 58),
}
# Memory that no limit counts; CUDA needs it.
_MEMORY_FILES: dict[str, tuple[int | None, int | None]] = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
}
_ARCHITECTURES = {  # (AUDIT_ARCH_*, column above, clone, clone3, socket)
    "x86_64": (0xC000003E, 0, 56, 435, 41),
    "aarch64": (0xC00000B7, 1, 220, 435, 198),
}
_X32 = 0x40000000  # x86_64's second set of numbers
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little-endian
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_INTERNET = (_AF_INET, _AF_INET6, _AF_NETLINK)  # the last one is how a program learns its addresses
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2


def supported() -> bool:
    """Whether this architecture's calls are known here."""
    return os.uname().machine in _ARCHITECTURES and sys.byteorder == "little"


def install(*, unix_sockets: bool, memory_files: bool, internet: bool) -> None:
    """Filter this process's calls and those of all its descendants, for good.

    Call it before there is a second thread. `unix_sockets`: whether sockets of that family may
    be made; they lead out where the file system is shared. `memory_files`: whether files in
    memory may be, which no limit counts. `internet`: whether the network may be used, as far as
    there is one. Raises OSError when it is refused.
    """
    if not supported():
        raise OSError("the system calls of this architecture are not known")
    families = (*((_AF_UNIX,) if unix_sockets else ()), *(_INTERNET if internet else ()))
    program = b"".join(_program(os.uname().machine, families, memory_files))
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program)
    # struct sock_fprog: the number of instructions, and where they are
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS) was refused")
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_FILTER), filter_, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP) was refused")


def _program(machine: str, families: tuple[int, ...], memory_files: bool) -> Iterator[bytes]:
    arch, column, clone, clone3, make_socket = _ARCHITECTURES[machine]
    refuse = _answer(_ERRNO | errno.EPERM)
    yield _step(_LOAD, _ARCH)
    yield _step(_EQUAL, arch, then=1)
    yield _answer(_KILL)
    yield _step(_LOAD, _NUMBER)
    if machine == "x86_64":
        yield _step(_AT_LEAST, _X32, otherwise=1)
        yield _answer(_ERRNO | errno.ENOSYS)
    for numbers in (_REFUSED if memory_files else _REFUSED | _MEMORY_FILES).values():
        number = numbers[column]
        if number is not None:
            yield _step(_EQUAL, number, otherwise=1)
            yield refuse
    # Its flags lie in memory, where a filter cannot look; C libraries then use clone.
    yield _step(_EQUAL, clone3, otherwise=1)
    yield _answer(_ERRNO | errno.ENOSYS)
    yield _step(_EQUAL, clone, otherwise=4)
    yield _step(_LOAD, _FIRST_ARGUMENT)
    yield _step(_ANY_BIT, _NEW_NAMESPACES, otherwise=1)
    yield refuse
    yield _answer(_ALLOW)
    yield _step(_EQUAL, make_socket, then=1)
    yield _answer(_ALLOW)
    yield _step(_LOAD, _FIRST_ARGUMENT)
    for family in families:
        yield _step(_EQUAL, family, otherwise=1)
        yield _answer(_ALLOW)
    yield _answer(_ERRNO | errno.EACCES)


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; `then` and `otherwise` say how many to skip."""
    return struct.pack("<HBBI", code, then, otherwise, value)


def _answer(value: int) -> bytes:
    return _step(_RETURN, value)
