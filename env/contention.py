"""Whether a command got the processor time that it could have used, measured from outside.

Two numbers, because a busy machine does harm in two ways. Threads that could run *wait* for a
processor: that costs wall time. And what *others* run takes caches, memory bandwidth and clock
rate, also where nobody has to wait: that costs steps per CPU second.

Linux, standard library only. What the kernel does not tell is None, never a guess.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from env import processes

_LEAST_SECONDS = 0.1  # of running and waiting; less of it says nothing
_MOST_THREADS = 256  # of one look: it must not become a load itself
# Fields of a line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
_BUSY = (1, 2, 3, 6, 7, 8)
_IDLE = (4, 5)


class Waiting:
    """The share of the time in which threads could run that they waited for a processor.

    It adds up what happens to each thread between two looks, from /proc/PID/task/TID/schedstat
    (Documentation/scheduler/sched-stats.rst of the kernel): nanoseconds run, and nanoseconds waited
    on a run queue. What a thread did between its last look and its end is lost from both alike.
    A control group's quota that is used up makes threads wait, too.
    """

    def __init__(self) -> None:
        self._ran = 0
        self._waited = 0
        self._known: dict[int, tuple[int, int]] | None = None

    def look(self, pids: Iterable[int]) -> None:
        """Take in what the threads of `pids` did since the last look; the first one begins."""
        found = dict(islice(_threads(pids), _MOST_THREADS))
        before, self._known = self._known, found
        if before is None:
            return
        for thread, (ran, waited) in found.items():
            old_ran, old_waited = before.get(thread, (0, 0))
            if ran < old_ran or waited < old_waited:  # another thread with the same number
                old_ran = old_waited = 0
            self._ran += ran - old_ran
            self._waited += waited - old_waited

    @property
    def share(self) -> float | None:
        """From 0 to 1; None when the kernel does not say, or hardly anything ran."""
        total = self._ran + self._waited
        return None if total < _LEAST_SECONDS * 1e9 else self._waited / total


class OtherLoad:
    """The share of the processors' time, of those allowed here, that others used since the start.

    Others are all but process `root` and what descends from it. Time that a hypervisor gave to
    other machines (steal) counts as theirs.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._began = _machine_seconds(), self._own_seconds()

    def share(self) -> float | None:
        """From the start until now, 0 to 1; None where /proc/stat says nothing."""
        (busy, total), own = _machine_seconds(), self._own_seconds()
        (busy_before, total_before), own_before = self._began
        if total - total_before < _LEAST_SECONDS:
            return None
        others = (busy - busy_before) - max(0.0, own - own_before)
        return min(1.0, max(0.0, others / (total - total_before)))

    def _own_seconds(self) -> float:
        found = list(processes.tree(self._root).values())
        root = processes.stat(self._root)
        if root is not None:
            found.append(root)
        return sum(one.own_seconds + one.children_seconds for one in found)


class Contention:
    """Both numbers for one command, from `start` to `stop`."""

    def __init__(self) -> None:
        self.waited: float | None = None
        self.others: float | None = None
        self._waiting: Waiting | None = None
        self._load: OtherLoad | None = None

    def start(self, pids: Iterable[int], root: int) -> None:
        """Begin to measure processes `pids`; `root` and its descendants are no others."""
        self._waiting, self._load = Waiting(), OtherLoad(root)
        self._waiting.look(pids)

    def look(self, pids: Iterable[int]) -> None:
        """Take in what `pids` did since the last look, while it is measured."""
        if self._waiting is not None:
            self._waiting.look(pids)

    def stop(self, pids: Iterable[int]) -> None:
        """End the measurement; a second call changes nothing."""
        if self._waiting is not None and self._load is not None:
            self._waiting.look(pids)
            self.waited, self.others = self._waiting.share, self._load.share()
            self._waiting = self._load = None


def _threads(pids: Iterable[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Nanoseconds run and waited of each thread that there is, by its number."""
    for pid in pids:
        try:
            with os.scandir(f"/proc/{pid}/task") as tasks:
                for task in tasks:
                    times = _schedstat(f"{task.path}/schedstat")
                    if times is not None:
                        yield int(task.name), times
        except OSError:
            continue  # it has ended


def _schedstat(path: str) -> tuple[int, int] | None:
    try:
        with open(path, "rb") as file:
            ran, waited, *_ = file.read().split()
        return int(ran), int(waited)
    except (OSError, ValueError):
        return None  # it has ended, or the kernel keeps no such numbers


def _machine_seconds() -> tuple[float, float]:
    """Busy seconds, and all seconds, of the processors that this process may use."""
    allowed = {f"cpu{number}".encode() for number in os.sched_getaffinity(0)}
    busy = total = 0
    try:
        with open("/proc/stat", "rb") as file:
            for line in file:
                fields = line.split()
                if fields and fields[0] in allowed and len(fields) > max(_BUSY):
                    ticks = sum(int(fields[number]) for number in _BUSY)
                    busy += ticks
                    total += ticks + sum(int(fields[number]) for number in _IDLE)
    except OSError:
        pass
    return busy / processes.TICKS, total / processes.TICKS
