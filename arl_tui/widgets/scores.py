"""What the score chart draws, as arrays: no drawing here, and nothing of Textual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from arl_tui.widgets.marks import mark
from state.metric import Direction
from state.present import Live
from state.records import Incumbent
from state.watch import Brief

Axis: TypeAlias = Literal["experiments", "hours"]
Floats: TypeAlias = NDArray[np.floating]
BAND_SIGMAS = 2.0
_REACH = 8.0  # sigmas that the view reaches at least beyond baseline and incumbents


@dataclass(frozen=True)
class Scores:
    """Experiments of the current epoch, oldest first: all arrays are of the same length.

    `x` is the id, or hours since the study began; `y` in the metric's unit, NaN without a score.
    """

    ids: NDArray[np.int64]
    x: Floats
    y: Floats
    marks: NDArray[np.str_]


@dataclass(frozen=True)
class Forecasts:
    """Of what runs, where its score will probably be: the middle and the ends of a band.

    `limit` is the worst score that is worth finishing, NaN where there is none.
    """

    x: Floats
    low: Floats
    middle: Floats
    high: Floats
    limit: Floats


@dataclass(frozen=True)
class Stairs:
    """The incumbent's score as steps: from `x[i]` on it was `y[i]`, give or take `band[i]`."""

    x: Floats
    y: Floats
    band: Floats

    def steps(self, end: float) -> tuple[Floats, Floats]:
        """The corners of the line that ends at `end`."""
        if not len(self.x):
            return self.x, self.y
        x = np.append(np.repeat(self.x, 2)[1:], max(end, float(self.x[-1])))
        return x, np.repeat(self.y, 2)


def scores(briefs: Sequence[Brief], epoch: int | None, axis: Axis, began: datetime) -> Scores:
    """The experiments of an epoch that have begun, or ended without."""
    rows: list[tuple[int, float, float, str]] = []
    for brief in briefs:
        if brief.epoch_id != epoch or brief.status == "queued":
            continue
        x = float(brief.id)
        if axis == "hours":
            at = brief.ended_at or brief.started_at
            if at is None:
                continue
            x = hours(at, began)
        y = np.nan if brief.val_bpb is None else brief.val_bpb
        rows.append((brief.id, x, y, mark(brief.status, brief.kind)))
    ids, x_, y_, marks = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Scores(
        np.array(ids, dtype=np.int64),
        np.array(x_, dtype=np.float64),
        np.array(y_, dtype=np.float64),
        np.array(marks, dtype=np.str_),
    )


def forecasts(live: Sequence[Live], found: Scores) -> Forecasts:
    """The forecasts of those that run and are among `found`."""
    rows = [
        (
            x,
            one.forecast_low,
            one.forecast,
            one.forecast_high,
            None if one.phase == "scoring" else one.threshold,  # nothing aborts it any more
        )
        for one in live
        for x in found.x[found.ids == one.experiment_id]
        if None not in (one.forecast_low, one.forecast, one.forecast_high)
    ]
    return Forecasts(*np.array(rows, dtype=np.float64).reshape(-1, 5).T)  # None becomes NaN


def stairs(
    incumbents: Sequence[Incumbent],
    epoch: int | None,
    axis: Axis,
    began: datetime,
    first: float,
    sigma: float | None,
) -> Stairs:
    """The incumbents of an epoch whose first experiment is at `first`."""
    own = [one for one in incumbents if one.epoch_id == epoch]
    x = [hours(one.since, began) if axis == "hours" else one.experiment_id for one in own]
    noise = [one.sigma if one.sigma is not None else (sigma or 0.0) for one in own]
    # An older experiment may be confirmed later, or measured again in a new epoch.
    begun = np.maximum.accumulate(np.maximum(np.array(x, dtype=np.float64), first))
    return Stairs(
        begun if own else np.array([], dtype=np.float64),
        np.array([one.score for one in own], dtype=np.float64),
        BAND_SIGMAS * np.array(noise, dtype=np.float64),
    )


def window(
    y: Floats, anchors: Sequence[float], sigma: float | None, direction: Direction = "min"
) -> tuple[float, float]:
    """The scores to show, from the lowest to the highest, however far some are off.

    `anchors` are the baseline and the incumbents, which are always inside. More is shown of what
    is worse than these than of what is better: there is more of it.
    """
    if direction == "max":
        low, high = window(-y, [-anchor for anchor in anchors], sigma)
        return -high, -low
    known = y[np.isfinite(y)]
    if not len(known) and not anchors:
        return 0.0, 1.0
    marks = np.array(anchors if anchors else [float(np.median(known))])
    low, high = float(marks.min()), float(marks.max())
    largest = max(abs(low), abs(high))
    reach = max(high - low, _REACH * (sigma or 0.0), 0.002 * largest) or 1e-6
    if len(known):
        usual = min(float(np.quantile(known, 0.75)), high + 4 * reach)
        top = min(float(known.max()), max(high + reach, usual))
        bottom = max(float(known.min()), low - reach / 2)
        low, high = min(low, bottom), max(high, top)
    least = BAND_SIGMAS * (sigma or 0.001 * largest), 1e-6 * largest
    edge = max(0.05 * (high - low), *least) or 1e-6
    return low - edge, high + edge


def hours(at: str, began: datetime) -> float:
    """Hours from the beginning to an ISO time."""
    return (datetime.fromisoformat(at) - began).total_seconds() / 3600
