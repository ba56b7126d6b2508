"""How long something takes, in words that fit a list."""

from __future__ import annotations

from datetime import datetime


def span(seconds: float) -> str:
    """A length of time in its one or two largest units: `45 s`, `12 min`, `3 h 05 min`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def seconds_since(at: str, now: datetime) -> float:
    """Seconds from a recorded time until `now`; never negative."""
    return max(0.0, (now - datetime.fromisoformat(at)).total_seconds())
