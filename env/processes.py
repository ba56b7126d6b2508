"""A process and everything that descends from it: what it uses, and how to end it.

Linux, standard library only. Who ends others is a child subreaper, so whatever its children start
stays below it, however often it forks, daemonises or changes its session.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")  # of processor time, in a second
_PAGE = os.sysconf("SC_PAGE_SIZE")


def boot_id() -> str:
    """This boot of the machine; process ids mean nothing in another."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


@dataclass(frozen=True, slots=True)
class Stat:
    """One process as /proc shows it. Seconds of CPU: its own, and of children it waited for."""

    pid: int
    parent: int
    group: int
    start_time: int  # clock ticks since boot
    alive: bool
    own_seconds: float
    children_seconds: float
    memory_bytes: int


def stat(pid: int) -> Stat | None:
    """The process `pid`, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may hold anything, brackets too.
    fields = text[text.rindex(b")") + 2 :].split()
    # A process whose first thread has ended looks like a zombie while its other threads run on.
    ended = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
    return Stat(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        start_time=int(fields[19]),
        alive=not ended,
        own_seconds=(int(fields[11]) + int(fields[12])) / TICKS,
        children_seconds=(int(fields[13]) + int(fields[14])) / TICKS,
        memory_bytes=int(fields[21]) * _PAGE,
    )


def start_time(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since boot, or None when it is gone."""
    found = stat(pid)
    return None if found is None else found.start_time


def is_zombie(pid: int) -> bool:
    """Whether the process has ended and waits to be reaped."""
    found = stat(pid)
    return found is not None and not found.alive


def tree(root: int) -> dict[int, Stat]:
    """All processes below `root` by id, those that wait to be reaped included."""
    below: dict[int, list[Stat]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = stat(int(name))
            if found is not None:
                below.setdefault(found.parent, []).append(found)
    result: dict[int, Stat] = {}
    waiting = [root]
    while waiting:
        for child in below.get(waiting.pop(), ()):
            result[child.pid] = child
            waiting.append(child.pid)
    return result


def descendants(pid: int) -> set[int]:
    """The ids of all live processes below `pid`, without `pid` itself."""
    return {found.pid for found in tree(pid).values() if found.alive}


def private_memory(pids: Iterable[int], seconds: float = 0.2) -> int | None:
    """Bytes that `pids` really hold: shared pages count once, mapped files not at all.

    Slower than a `Stat`: after `seconds` it returns what it has found so far. None where the
    kernel does not tell.
    """
    deadline = time.monotonic() + seconds
    kibibytes = 0
    for pid in pids:
        if time.monotonic() > deadline:
            break
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                lines = file.read().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            if os.path.exists(f"/proc/{pid}"):
                return None
            continue  # it has ended
        except OSError:
            return None
        for line in lines:
            if line.startswith((b"Pss_Anon:", b"Pss_Shmem:")):
                kibibytes += int(line.split()[1])
    return kibibytes << 10


@dataclass(frozen=True)
class Ended:
    """A child that was reaped: its wait status and the CPU seconds of its whole life."""

    pid: int
    status: int
    cpu_seconds: float


def reap() -> list[Ended]:
    """Reap the children of this process that have ended, adopted ones included."""
    return _reap()[0]


def end_all(deadline_seconds: float = 20.0) -> list[Ended]:
    """SIGKILL everything below this process, a child subreaper; return the children reaped.

    Its end is certain: a subreaper without children has no descendants.
    """
    deadline = time.monotonic() + deadline_seconds
    ended: list[Ended] = []
    pause = 0.0005
    while True:
        found = tree(os.getpid())
        # First whole process groups: no fork escapes a signal to its group.
        for group in {child.group for child in found.values()} - {0, os.getpgrp()}:
            _kill(-group)
        for pid in found:
            _kill(pid)
        for _ in range(20):  # what forks faster than /proc is read comes up here as an orphan
            for pid in _children():
                _kill(pid)
            reaped, more = _reap()
            ended += reaped
            if not more or time.monotonic() > deadline:
                return ended
            time.sleep(pause)
        pause = min(2 * pause, 0.02)  # what dies slowly needs the processor itself


def _reap() -> tuple[list[Ended], bool]:
    """The children that have ended, and whether there are others."""
    ended: list[Ended] = []
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, False
        if pid == 0:
            return ended, True
        ended.append(Ended(pid, status, used.ru_utime + used.ru_stime))


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []  # a kernel without it; the next look at the whole tree finds them


def _kill(target: int) -> None:
    try:
        os.kill(target, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # it ended by itself
