"""The budget clock: how much of its budget an experiment has spent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal

ClockKind = Literal["wall", "cpu", "steps"]

_SOURCES: dict[str, Callable[[], float]] = {
    "wall": time.monotonic,
    # Process CPU seconds of all threads: a busy neighbour costs wall time, hardly CPU time.
    "cpu": time.process_time,
}


class BudgetClock:
    """Measures one budget. It starts once, and is spent when `elapsed()` reaches `budget`.

    `budget` is in seconds for `wall` and `cpu`, and a number of batches for `steps`.
    """

    def __init__(
        self,
        kind: ClockKind,
        budget: float,
        *,
        tolerance: float = math.inf,
        free_startup: float = math.inf,
    ) -> None:
        """`tolerance`: a batch that may end later than that past the budget is not begun.

        `free_startup`: what may be spent between here and the start without counting, in the
        clock's seconds.
        """
        if kind not in ("wall", "cpu", "steps"):
            raise ValueError(f"the clock must be wall, cpu or steps, not {kind!r}")
        if not budget > 0:
            raise ValueError(f"the budget must be positive, not {budget!r}")
        self.kind = kind
        self.budget = float(budget)
        self.steps = 0
        self.started = False
        self._latest_end = budget + tolerance
        self._free_startup = free_startup
        self._made = self._now()
        self._wall_start = 0.0
        self._start = 0.0
        self._last_tick = 0.0

    def start(self) -> None:
        """Start the clock; a second call changes nothing."""
        if not self.started:
            self.started = True
            self._wall_start = time.monotonic()
            now = self._now()
            charged = max(0.0, now - self._made - self._free_startup)
            self._start = now - charged

    def forgive(self, wall_seconds: float) -> None:
        """Before the start: it was held for so long by others, and charges none of it."""
        if self.kind == "wall" and not self.started:
            self._made += wall_seconds

    def tick(self) -> None:
        """Count one batch handed to the candidate."""
        self._last_tick = self.elapsed()
        self.steps += 1

    def elapsed(self) -> float:
        """What has been spent, in the unit of the budget; 0.0 before the start."""
        if not self.started:
            return 0.0
        return float(self.steps) if self.kind == "steps" else self._now() - self._start

    def wall_seconds(self) -> float:
        """Wall seconds since the start, whatever the clock; 0.0 before it."""
        return time.monotonic() - self._wall_start if self.started else 0.0

    @property
    def progress(self) -> float:
        """The spent share of the budget, from 0.0 to 1.0."""
        return min(1.0, self.elapsed() / self.budget)

    @property
    def spent(self) -> bool:
        """Whether the budget is used up, or too little is left for another batch."""
        elapsed = self.elapsed()
        if elapsed >= self.budget:
            return True
        step = elapsed - self._last_tick  # the next batch may take as long as the last one
        return self.kind != "steps" and self.steps > 0 and elapsed + step > self._latest_end

    def _now(self) -> float:
        return _SOURCES[self.kind]() if self.kind in _SOURCES else 0.0
