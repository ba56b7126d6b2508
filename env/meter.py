"""What the descendants of this process use: CPU seconds, memory, processes."""

from __future__ import annotations

import os

from env import processes


class Meter:
    """Looks at all descendants of this process, which reaps them. Nothing that ran is forgotten."""

    def __init__(self, memory_limit: int, process_limit: int) -> None:
        """`memory_limit` in bytes: memory is measured closely when it seems to be over it.

        That is slow, and left out when there are more processes than `process_limit` anyway.
        """
        self.processes = 0  # zombies included: they use up process ids
        self.pids: tuple[int, ...] = ()
        self.memory_bytes = 0
        self.peak_memory_bytes = 0
        self.cpu_seconds = 0.0
        self._memory_limit = memory_limit
        self._process_limit = process_limit
        self._shared_bytes = 0  # resident pages that were found to be counted several times
        self._reaped_seconds = 0.0
        self._own_seconds: dict[tuple[int, int], float] = {}

    def look(self) -> None:
        """Measure now. Costs one pass over /proc."""
        found = processes.tree(os.getpid())
        self.processes = len(found)
        self.pids = tuple(found)
        self._weigh(found)
        waited = self._reaped_seconds
        for child in found.values():
            waited += child.own_seconds + child.children_seconds
            self._own_seconds[child.pid, child.start_time] = child.own_seconds
        # A parent that ignores SIGCHLD loses its children's seconds; the second sum keeps them,
        # while the first one knows those that came and went between two looks.
        self.cpu_seconds = max(self.cpu_seconds, waited, sum(self._own_seconds.values()))

    def note(self, ended: processes.Ended) -> None:
        """Count a child that was reaped."""
        self._reaped_seconds += ended.cpu_seconds

    def _weigh(self, found: dict[int, processes.Stat]) -> None:
        resident = sum(child.memory_bytes for child in found.values())
        too_many = len(found) > self._process_limit
        if resident - self._shared_bytes > self._memory_limit and not too_many:
            exact = processes.private_memory(pid for pid, child in found.items() if child.alive)
            self._shared_bytes = 0 if exact is None else max(0, resident - exact)
        self.memory_bytes = resident - self._shared_bytes
        self.peak_memory_bytes = max(self.peak_memory_bytes, self.memory_bytes)
