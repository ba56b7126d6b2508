"""What the descendants of this process use: CPU seconds, memory, processes."""

from __future__ import annotations

import os

from env import processes


class Meter:
    """Looks at all descendants of this process, which reaps them. Nothing that ran is forgotten."""

    def __init__(self) -> None:
        self.processes = 0  # zombies included: they use up process ids
        self.memory_bytes = 0  # resident; pages that are shared count several times
        self.peak_memory_bytes = 0
        self.cpu_seconds = 0.0
        self._shared_bytes = 0
        self._reaped_seconds = 0.0
        self._own_seconds: dict[tuple[int, int], float] = {}

    def look(self) -> None:
        """Measure now. Costs one pass over /proc."""
        found = processes.tree(os.getpid())
        self.processes = len(found)
        self.memory_bytes = sum(child.memory_bytes for child in found.values())
        really = self.memory_bytes - self._shared_bytes
        self.peak_memory_bytes = max(self.peak_memory_bytes, really)
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

    def over(self, memory_bytes: int) -> bool:
        """Whether more memory than this is in use."""
        if self.memory_bytes - self._shared_bytes <= memory_bytes:
            return False
        # It seems so. To look closely is slow: what turns out to be shared is not asked again.
        exact = processes.private_memory(processes.descendants(os.getpid()))
        if exact is not None:
            self._shared_bytes = max(0, self.memory_bytes - exact)
        return exact is None or exact > memory_bytes
