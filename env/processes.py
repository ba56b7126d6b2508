"""A process and everything that descends from it: what it uses, and how to end it.

Linux only; standard library only. The caller is a child subreaper, so whatever its children
start stays below it, however often it forks, daemonises or changes its session.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LIBC = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Adopt every orphan among this process's descendants. Raises OSError when refused."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """SIGKILL this process when the thread that started it ends: a backstop, not the wall."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def no_new_privileges() -> None:
    """No program that this process starts gains privileges (setuid has no effect)."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def confine(rlimits: Mapping[str, int]) -> None:
    """In a new child, before its command: die with the parent, gain no privileges, keep limits.

    `rlimits` by lower-case name ("as", "core", "fsize", "nofile"), soft and hard.
    """
    die_with_parent()
    no_new_privileges()
    for name, value in rlimits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}")
        _, hard = resource.getrlimit(number)
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (limit, limit))


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) was refused")


def boot_id() -> str:
    """This boot of the machine; process ids mean nothing in another."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def start_time(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since boot, or None when it is gone."""
    fields = _stat(pid)
    return None if fields is None else int(fields[19])


def is_zombie(pid: int) -> bool:
    """Whether the process has ended and waits to be reaped."""
    fields = _stat(pid)
    return fields is not None and fields[0] in ("Z", "X")


def descendants(pid: int) -> set[int]:
    """The ids of all live processes below `pid`, without `pid` itself."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields is not None and fields[0] not in ("Z", "X"):
                parents.setdefault(int(fields[1]), []).append(int(name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


@dataclass(frozen=True)
class Usage:
    """What a set of processes uses now."""

    processes: int
    cpu_seconds: float
    memory_bytes: int


def usage(pids: set[int]) -> Usage:
    """CPU seconds (children that were waited for included) and resident memory of `pids`."""
    ticks = pages = alive = 0
    for pid in pids:
        fields = _stat(pid)
        if fields is None:
            continue
        alive += 1
        ticks += sum(int(value) for value in fields[11:15])
        pages += int(fields[21])
    return Usage(alive, ticks / _TICKS, pages * _PAGE)


def end_all(root: int, deadline_seconds: float = 4.0) -> list[Ended]:
    """SIGKILL every descendant of `root` (this process); return the children reaped.

    Each round first stops all of them, so that a fork bomb cannot run ahead of the killing.
    """
    deadline = time.monotonic() + deadline_seconds
    ended: list[Ended] = []
    while time.monotonic() < deadline:
        found = descendants(root)
        if not found:
            break
        _signal_all(found, signal.SIGSTOP)
        _signal_all(found | descendants(root), signal.SIGKILL)
        ended += reap()
        time.sleep(0.005)
    return ended + reap()


@dataclass(frozen=True)
class Ended:
    """A child that was reaped: its wait status and the CPU seconds of its whole life."""

    pid: int
    status: int
    cpu_seconds: float


def reap() -> list[Ended]:
    """Reap the children of this process that have ended, adopted ones included."""
    ended: list[Ended] = []
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append(Ended(pid, status, used.ru_utime + used.ru_stime))


def _signal_all(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it ended by itself, or is a setuid program that ends with its parent


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()
