"""The present of a study, as viewers see it: what runs now, devices, panels and reviews.

All but the reviews is overwritten as things change: a crash may lose the last second of it,
and nothing is decided from it. A review is part of the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from state.records import Json, Point

Phase: TypeAlias = Literal["starting", "training", "scoring"]

Verdict: TypeAlias = Literal["pending", "approve", "veto"]
Decider: TypeAlias = Literal["", "person", "timer", "unsupervised"]

SAMPLES_KEPT = 300  # of each device


@dataclass(frozen=True, kw_only=True)
class Live:
    """What a running experiment is doing. `progress` is the spent share of its budget.

    `forecast` is the score that it is expected to end with, from `forecast_low` to `forecast_high`,
    and `threshold` the worst one that is worth finishing.
    """

    experiment_id: int
    phase: Phase
    phase_since: str
    progress: float = 0.0
    step: int = 0
    loss: float | None = None
    steps_per_second: float | None = None
    forecast: float | None = None
    forecast_low: float | None = None
    forecast_high: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceSample:
    """A device at a moment. Utilisation from 0 to 1; what it cannot tell is None."""

    at: str
    device: str
    utilisation: float | None = None
    memory_mb: float | None = None
    memory_total_mb: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, kw_only=True)
class Review:
    """A candidate that a person is asked about; `decided_by` is empty while it is pending.

    `proposed_sha` names the policy's own source where a person has amended it.
    """

    experiment_id: int
    verdict: Verdict
    decided_by: Decider
    note: str
    proposed_sha: str | None
    requested_at: str
    decided_at: str | None


@dataclass(frozen=True, kw_only=True)
class Present:
    """What has changed since the last one: all of `live`, and the rest where it is given."""

    live: Sequence[Live]
    curves: Mapping[int, Sequence[Point]] = field(default_factory=dict)
    samples: Sequence[DeviceSample] = ()
    panels: Mapping[str, Json] = field(default_factory=dict)
