"""A loss curve as it is reported, thinned evenly when it grows long."""

from __future__ import annotations

from engine.executor import CurvePoint

POINTS = 2048


class LossCurve:
    """At most `limit` points, evenly spread; the first and the last are always there."""

    def __init__(self, limit: int = POINTS) -> None:
        self._limit = limit
        self._kept: list[CurvePoint] = []
        self._last: CurvePoint | None = None
        self._stride = 1
        self._seen = 0

    def add(self, point: CurvePoint) -> None:
        """Take in the next point."""
        self._last = point
        if self._seen % self._stride == 0:
            self._kept.append(point)
        self._seen += 1
        if len(self._kept) >= self._limit:
            del self._kept[1::2]
            self._stride *= 2

    def points(self) -> tuple[CurvePoint, ...]:
        """What is kept, oldest first."""
        last = self._last
        missing = last is not None and (not self._kept or self._kept[-1] is not last)
        return (*self._kept, last) if missing and last is not None else tuple(self._kept)
