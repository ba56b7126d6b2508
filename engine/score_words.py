"""Scores in the engine's sentences and events: the engine minimises, people read the metric.

Every number that comes in is the engine's, where lower is better; every text and number that goes
out is as the study's metric counts it.
"""

from __future__ import annotations

from typing import overload

from engine.settings import Settings
from state.metric import SELF_REPORTED, VAL_BPB, Metric
from state.orientation import Orientation


class ScoreWords:
    """How scores of a metric are said."""

    def __init__(self, metric: Metric = VAL_BPB) -> None:
        self.metric = metric
        self._orientation = Orientation(metric.direction)

    @overload
    def raw(self, value: float) -> float: ...
    @overload
    def raw(self, value: float | None) -> float | None: ...
    def raw(self, value: float | None) -> float | None:
        """The metric's number for one of the engine's, and the other way round."""
        return self._orientation.number(value)

    def score(self, score: float) -> str:
        """A score: `0.9979`."""
        return self.metric.number(self.raw(score))

    def named(self, score: float) -> str:
        """A score with its name: `val-bpb 0.9979`."""
        return f"{self.metric.title} {self.score(score)}"

    def marked(self, score: float) -> str:
        """The same; `self-reported` comes before it where nobody checks it."""
        mark = f"{SELF_REPORTED} " if self.metric.self_reported else ""
        return f"{mark}{self.named(score)}"

    def change(self, difference: float, beside: float) -> str:
        """A difference of scores with its sign, as exact as the score `beside` it."""
        return self.metric.change(self.raw(difference), beside)

    def spread(self, size: float, beside: float) -> str:
        """A standard deviation, as exact as the score `beside` it."""
        return self.metric.spread(size, beside)

    def sigmas(self, difference: float, sigma: float) -> str:
        """A difference in standard deviations, with its sign: `-2.1 sigma`."""
        return f"{self.raw(difference / sigma):+.1f} sigma"

    @property
    def unit(self) -> str:
        """What follows a difference of scores: ` bpb`; nothing where the unit has no name."""
        return " bpb" if self.metric.is_bpb else ""


BPB_WORDS = ScoreWords()


def metric_of(settings: Settings) -> Metric:
    """The metric of a study with these settings."""
    if settings.target.command is None:
        return VAL_BPB
    return Metric(settings.metric.name, settings.metric.direction, self_reported=True)
