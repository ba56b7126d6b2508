"""Which of a trial's reports reach the engine: a flood of them must not be its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

REPORT_SECONDS = 0.1  # the shortest time between two that are passed on
ALL_REPORTS = 4096  # by the clock `steps`, so many are passed on, and then ever fewer


class Reports:
    """Passes on the newest now and then; by the clock `steps`, whatever the time."""

    def __init__(self, by_steps: bool, say: Callable[[dict[str, Any]], None]) -> None:
        self._by_steps = by_steps
        self._say = say
        self._newest: dict[str, Any] | None = None  # not passed on yet
        self._last = 0.0
        self._count = 0

    def take(self, body: dict[str, Any]) -> None:
        """Hear a report."""
        plain = _plain(body)
        if plain is None:
            return
        body = plain
        if not self._by_steps:
            self._newest = body
            return
        self._count += 1
        if self._count % (1 + self._count // ALL_REPORTS) == 0:
            self._say(body)

    def forward(self, at_once: bool = False) -> None:
        """Pass on the newest, if it is time to."""
        now = time.monotonic()
        if self._newest and (at_once or now - self._last >= REPORT_SECONDS):
            body, self._newest, self._last = self._newest, None, now
            self._say(body)


def _plain(body: dict[str, Any]) -> dict[str, Any] | None:
    """What a report says, and nothing else; None where it is none."""
    step, loss, progress = body.get("step"), body.get("loss"), body.get("progress")
    if not (isinstance(step, int) and isinstance(loss, float | int)):
        return None
    if not isinstance(progress, float | int) or abs(step) >= 1 << 53 or abs(loss) > 1e300:
        return None
    return {"type": "report", "step": step, "loss": loss, "progress": progress}
