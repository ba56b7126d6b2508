"""Counts of a study: how its experiments ended, and how many it does in an hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from state.records import STATUSES, Status
from state.watch import Brief

_RECENT = 30  # experiments


def count(briefs: Sequence[Brief]) -> Mapping[Status, int]:
    """How many experiments have each status, in the order of `STATUSES`."""
    found = Counter(brief.status for brief in briefs)
    return {status: found[status] for status in STATUSES if found[status]}


def per_hour(briefs: Sequence[Brief]) -> float | None:
    """Experiments an hour over the recent ones that ran; None before there are two."""
    ends: list[str] = []
    for brief in reversed(briefs):
        if brief.started_at is not None and brief.ended_at is not None:
            ends.append(brief.ended_at)
            if len(ends) > _RECENT:
                break
    if len(ends) < 2:
        return None
    # ISO times of one form sort as text; slots may end out of order.
    span = datetime.fromisoformat(max(ends)) - datetime.fromisoformat(min(ends))
    hours = span.total_seconds() / 3600
    return (len(ends) - 1) / hours if hours > 0 else None
