"""What is kept of a loss curve and of a log, so that a long study stays small."""

from __future__ import annotations

import math
from collections.abc import Sequence

from state.records import Point

MAX_POINTS = 256
MAX_LOG_BYTES = 128 * 1024


def thin_curve(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most `limit` (2 or more) of the points, evenly spread, the first and the last included.

    A loss or progress that is not finite becomes None or 0, because JSON knows no NaN.
    """
    if len(points) > limit:
        last = len(points) - 1
        points = [points[round(i * last / (limit - 1))] for i in range(limit)]
    return [(_finite(progress) or 0.0, int(step), _finite(loss)) for progress, step, loss in points]


def cap_log(text: str, limit: int = MAX_LOG_BYTES) -> str:
    """The log itself, or its head and tail in at most `limit` bytes of UTF-8 if it is longer.

    Lone surrogates are escaped, so that the result can always be encoded.
    """
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode("utf-8")
    room = limit - 80  # for the line between head and tail
    head = data[: room // 2].decode("utf-8", "ignore")
    tail = data[len(data) - room // 2 :].decode("utf-8", "ignore")
    dropped = len(data) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[... {dropped} bytes left out ...]\n{tail}"


def plain_text(text: str) -> str:
    """The text with lone surrogates escaped, which SQLite cannot store."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
