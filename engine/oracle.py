"""The termination oracle: when going on is pointless or unaffordable, and why.

Each criterion stands on its own and reads the same facts; it explains itself in one sentence,
whether it says stop or not yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.settings import Limits


@dataclass(frozen=True)
class Facts:
    """What the criteria look at."""

    experiments: int  # recorded in all
    after_baseline: int  # of these, neither baseline nor replicate
    hours: float  # that the study has run, over all its engines
    disk_free_gb: float


@dataclass(frozen=True)
class Reading:
    """One criterion now: the share of its limit that is used, and a sentence with numbers.

    `drain` says that what is queued already may still run, because the criterion has counted it.
    """

    name: str
    used: float
    stop: bool
    sentence: str
    drain: bool = False


Criterion = Callable[[Facts], Reading]


def criteria(limits: Limits) -> tuple[Criterion, ...]:
    """The criteria that are on."""
    chosen: list[Criterion] = []
    if limits.max_experiments is not None:
        chosen.append(_count("experiments", limits.max_experiments, lambda f: f.experiments))
    if limits.max_after_baseline is not None:
        chosen.append(
            _count(
                "experiments after the baseline",
                limits.max_after_baseline,
                lambda f: f.after_baseline,
            )
        )
    if limits.max_hours is not None:
        chosen.append(_hours(limits.max_hours))
    if limits.min_disk_gb > 0:
        chosen.append(_disk(limits.min_disk_gb))
    return tuple(chosen)


def consult(chosen: Sequence[Criterion], facts: Facts) -> tuple[Reading, ...]:
    """What every criterion says."""
    return tuple(criterion(facts) for criterion in chosen)


def verdict(readings: Sequence[Reading]) -> Reading | None:
    """The criterion that says stop, or None. Of several, one that waits for nothing."""
    stops = [reading for reading in readings if reading.stop]
    return min(stops, key=lambda r: (r.name != "disk", r.drain), default=None)


def _count(name: str, limit: int, count: Callable[[Facts], int]) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        done = count(facts)
        sentence = f"{done} of {limit} {name} are done"
        return Reading(name, done / limit, done >= limit, sentence, drain=True)

    return criterion


def _hours(limit: float) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        sentence = f"the study has run for {facts.hours:.2f} of {limit:g} hours"
        return Reading("hours", facts.hours / limit, facts.hours >= limit, sentence)

    return criterion


def _disk(least: float) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        free = facts.disk_free_gb
        used = min(1.0, least / free) if free > 0 else 1.0
        sentence = f"{free:.1f} GB of disk are free, {least:g} GB must stay free"
        return Reading("disk", used, free < least, sentence)

    return criterion
