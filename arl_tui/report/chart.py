"""The chart of an epoch as shapes with places: what the page draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from arl_tui.tables import describe, score_cell
from arl_tui.widgets.marks import RERUN, mark
from arl_tui.widgets.scores import Scores, Stairs, scores, stairs, window
from state.metric import SELF_REPORTED, Metric
from state.records import Epoch, Experiment, Incumbent
from state.watch import Brief

WIDTH, HEIGHT = 960, 420
LEFT, RIGHT, TOP, BOTTOM = 84, 948, 44, 372  # the edges of the scale
RAIL = 24  # where the marks are of what has no score
_INSIDE = 5  # from the edge of the scale to the mark of a score beyond it
_TITLE = 90  # characters of an edit in a tooltip


@dataclass(frozen=True)
class Mark:
    """An experiment: its place, its shape, and what a pointer on it is told.

    `beyond` is where its score lies outside the view: `above`, `below` or empty.
    """

    id: int
    x: float
    y: float
    shape: str
    beyond: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A number on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """The shapes of one epoch. `steps` is the incumbent's staircase as points of a polyline.

    `band` has rectangles (x, y, width, height) of two sigma around it, `baseline` its height.
    """

    title: str
    marks: list[Mark]
    steps: str
    band: list[tuple[float, float, float, float]]
    baseline: float | None
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def chart(
    epoch: Epoch,
    briefs: Sequence[Brief],
    incumbents: Sequence[Incumbent],
    baseline: float | None,
    sigma: float | None,
    began: datetime,
    metric: Metric,
) -> Chart:
    """The chart of an epoch; `baseline` and `sigma` are those of its scores, if they are known."""
    found = scores(briefs, epoch.id, "experiments", began)
    ids = found.x if len(found.x) else np.array([0.0])
    first, last = float(ids.min()), float(ids.max())
    steps = stairs(incumbents, epoch.id, "experiments", began, first, sigma)
    anchors = [*steps.y.tolist(), *([] if baseline is None else [baseline])]
    low, high = window(found.y, anchors, sigma, metric.direction)
    view = _View(first - 0.5, last + 0.5, low, high)
    level = None if baseline is None or not view.low <= baseline <= view.high else baseline
    of = {brief.id: brief for brief in briefs}
    return Chart(
        title=metric_title(metric),
        marks=_marks(found, of, view, metric),
        steps=_points(steps, view, last + 0.5),
        band=_band(steps, view, last + 0.5),
        baseline=None if level is None else view.y(level),
        x_ticks=[Tick(view.x(at), f"{at:.0f}") for at in whole_ticks(first, last)],
        y_ticks=[Tick(view.y(at), text) for at, text in ticks(view.low, view.high)],
    )


def metric_title(metric: Metric) -> str:
    """The metric, which way is better, and whether anybody but the script measured it."""
    own = f", {SELF_REPORTED}" if metric.self_reported else ""
    return f"{metric.title} ({metric.better} is better{own})"


def shape(one: Brief | Experiment) -> str:
    """The name of an experiment's shape and colour: its status, or `rerun`."""
    return "rerun" if mark(one.status, one.kind) == RERUN else one.status


def ticks(low: float, high: float, most: int = 6) -> list[tuple[float, str]]:
    """Round numbers from low to high with their texts, at most so many."""
    step = _step((high - low) / most)
    digits = max(0, -math.floor(math.log10(step)))
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    form = f".{digits}f" if digits <= 6 and max(abs(low), abs(high)) < 1e6 else ".4g"
    return [(number * step, format(number * step, form)) for number in numbers]


def whole_ticks(first: float, last: float, most: int = 10) -> list[float]:
    """Whole round numbers from first to last, at most so many."""
    step = max(1.0, _step((last - first) / most))
    return [n * step for n in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not less."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999999)


@dataclass(frozen=True)
class _View:
    """The scale: from experiments and scores to places in the picture."""

    first: float
    last: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return _round(LEFT + (value - self.first) / (self.last - self.first) * (RIGHT - LEFT))

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _round(BOTTOM - min(max(share, 0.0), 1.0) * (BOTTOM - TOP))


def _marks(found: Scores, of: dict[int, Brief], view: _View, metric: Metric) -> list[Mark]:
    marks = []
    for number, x, score in zip(found.ids.tolist(), found.x, found.y, strict=True):
        brief = of[number]
        y, beyond = float(RAIL), ""
        if not math.isnan(score):
            y = view.y(float(score))
            if score > view.high:
                y, beyond = TOP + _INSIDE, "above"
            elif score < view.low:
                y, beyond = BOTTOM - _INSIDE, "below"
        marks.append(Mark(number, view.x(float(x)), y, shape(brief), beyond, _title(brief, metric)))
    # The kept ones are drawn last, so that nothing hides them.
    return sorted(marks, key=lambda one: (one.shape == "keep", one.id))


def _title(brief: Brief, metric: Metric) -> str:
    score = "" if brief.val_bpb is None else f" {score_cell(brief, metric)}"
    return f"#{brief.id} {brief.status}{score}: {describe(brief)[:_TITLE]}"


def _points(steps: Stairs, view: _View, end: float) -> str:
    x, y = steps.steps(end)
    return " ".join(f"{view.x(float(a)):g},{view.y(float(b)):g}" for a, b in zip(x, y, strict=True))


def _band(steps: Stairs, view: _View, end: float) -> list[tuple[float, float, float, float]]:
    edges = [*steps.x.tolist(), end]
    rectangles = []
    for start, stop, middle, half in zip(edges, edges[1:], steps.y, steps.band, strict=False):
        top, bottom = view.y(float(middle + half)), view.y(float(middle - half))
        left, right = view.x(start), view.x(max(stop, start))
        if half > 0 and right > left:
            rectangles.append((left, top, _round(right - left), _round(bottom - top)))
    return rectangles


def _round(value: float) -> float:
    return round(value, 1)
