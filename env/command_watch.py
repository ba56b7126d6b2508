"""Holds a command target against its deadline: it trains and scores itself, in one go."""

from __future__ import annotations

import os
import time

from env.watch import Watch


class CommandWatch(Watch):
    """A command's one phase: it counts as training from its start.

    Its limit is `wall_cap`, from its start. What comes before its first line of progress is
    recorded as start-up; without such a line nothing is.
    """

    def begin(self) -> None:
        """It starts."""
        super().begin()
        self.meter.look()
        self.phase = "training"
        self._contention.start(self.meter.pids, os.getppid())

    def ready(self) -> float:
        """It has shown that it trains."""
        now = time.monotonic()
        self._startup_seconds, self._phase_began = now - self._began, now
        return 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._began

    def times(self) -> dict[str, float | None]:
        """What was measured, in seconds and MiB: the clock is the wall's."""
        self._wall_seconds = self._clock_seconds = time.monotonic() - self._phase_began
        return super().times()

    def _look_at_clock(self, wall: float) -> None:
        limit = self._order["wall_cap"]
        if self.elapsed > limit:
            self.stop("timeout", f"it ran longer than {limit:g} s")

    def _clock(self) -> float:
        return time.monotonic() - self._phase_began
