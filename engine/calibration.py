"""What finished curves teach about running ones: how they end, and how far off a forecast may be.

At each look (a share of the budget, the same for all) the final score is regressed on the fitted
curve's level and tail, over the curves that have finished: that is the correction for what a power
law cannot know, such as a warm-down. The regression is robust (engine/regression.py), so that a few
runs that went astray do not bend it.

*Hopeless.* A forecast is no test: runs that end well are the ones that are forecast too high. So
the question is turned round: if this run were to end exactly at the threshold, would its level be
so high? For that the level is regressed on the score (as in calibrating a gauge: Krutchkoff,
Technometrics 9, 1967), over the better half of the curves, and the run's `excess` is what its level
lies above that line, in spreads around it.

Looks are correlated, so a bound on each does not bound them all. What is calibrated is the
*largest* excess over all looks of a curve, each curve taken against its own end: with the conformal
quantile of it (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; for
left-out residuals: Barber et al., Annals of Statistics 49, 2021), at most a share `level` of
exchangeable curves that end at the threshold is ever beyond it, and of those that end below it
still fewer. Each source counts once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.regression import Floats, deviation, quantile, regress

Seen: TypeAlias = tuple[float, float] | None
"""Level and tail at one look, in nats; None where nothing could be fitted."""

COVERAGE = 0.9  # of the forecast's band
BAND = 1.645  # half of it, in spreads: as for a normal distribution
_LEAST = 12  # curves without which nothing is regressed at a look
_GOOD_SHARE = 0.5  # of the finished curves, the better ones
_RIDGE = 0.02  # of the standardised columns
_FAR = 8.0  # spreads from the middle: a curve on another scale than the others is no farther off


@dataclass(frozen=True)
class Finished:
    """A curve whose end is known. `weight` is above 1 for an audited one: it stands for others."""

    source: str
    score: float
    looks: tuple[Seen, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Forecast:
    """The final score that is expected, and the spread of such forecasts."""

    score: float
    spread: float

    @property
    def low(self) -> float:
        """The lower edge of the band that should hold the end in nine of ten cases."""
        return self.score - BAND * self.spread

    @property
    def high(self) -> float:
        """The upper edge of that band."""
        return self.score + BAND * self.spread


@dataclass(frozen=True)
class _Forecasting:
    """The score from level and tail, at one look."""

    centre: Floats  # [2]
    scale: Floats  # [2]
    weights: Floats  # [3], the first is the intercept
    spread: float

    def score(self, seen: tuple[float, float]) -> float:
        x = (np.array(seen) - self.centre) / self.scale
        return float(self.weights[0] + x @ self.weights[1:])


@dataclass(frozen=True)
class _Gauge:
    """The level from the score, at one look, and how far levels lie from that."""

    centre: float
    intercept: float
    slope: float
    spread: float

    def excess(self, level: float, score: float) -> float:
        return (level - self.intercept - self.slope * (score - self.centre)) / self.spread


class Calibration:
    """What some finished curves say about running ones."""

    def __init__(self, finished: Sequence[Finished], looks: int, level: float) -> None:
        """`looks` is the number of looks, which all curves share.

        `level` is the share of runs ending at the threshold that may be found hopeless.
        """
        self.curves = len(finished)
        counts: dict[str, int] = {}
        for one in finished:
            counts[one.source] = counts.get(one.source, 0) + 1
        # A source that was run many times is still one script.
        weights = np.array([one.weight / counts[one.source] for one in finished])
        self._forecasting = [_forecasting(finished, weights, look) for look in range(looks)]
        good = _better(finished, weights, 1 / level - 1)
        chosen, theirs = [finished[n] for n in good], weights[good]
        gauges = [_gauge(chosen, theirs, look) for look in range(looks)]
        self._gauges = [gauge for gauge, _ in gauges]
        worst = np.max([np.full(len(chosen), -math.inf), *(each for _, each in gauges)], axis=0)
        self.bound = conformal_quantile(worst, theirs, level)
        """The excess beyond which a run is hopeless; infinite where `level` cannot be promised."""

    def forecast(self, look: int, seen: Seen) -> Forecast | None:
        """What a curve that looks like this at a look ends with; None while nobody can know."""
        model = self._forecasting[look]
        if model is None or seen is None:
            return None
        return Forecast(model.score(seen), model.spread)

    def is_beyond(self, looks: Sequence[Seen], threshold: float) -> bool:
        """Whether a curve is beyond the bound at any look."""
        found = (self.excess(look, seen, threshold) for look, seen in enumerate(looks))
        return any(excess is not None and excess > self.bound for excess in found)

    def excess(self, look: int, seen: Seen, threshold: float) -> float | None:
        """What its level lies above that of a run that ends at the threshold, in spreads."""
        gauge = self._gauges[look]
        if gauge is None or seen is None:
            return None
        return gauge.excess(seen[0], threshold)


def conformal_quantile(values: Floats, weights: Floats, level: float) -> float:
    """What a further value exceeds with a probability of at most `level`; maybe infinite.

    The further value counts as one more of weight 1 (Tibshirani et al., NeurIPS 2019).
    """
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    if not len(order):
        return math.inf
    wanted = (1 - level) * (total[-1] + 1)
    place = int(np.searchsorted(total, wanted - 1e-9))
    return float(values[order[place]]) if place < len(order) else math.inf


def _better(finished: Sequence[Finished], weights: Floats, least: float) -> list[int]:
    """The better half of the curves, by weight, or `least` of them if that is more."""
    order = np.argsort([one.score for one in finished], kind="stable")
    if not len(order):
        return []
    total = np.cumsum(weights[order])
    wanted = max(least, _GOOD_SHARE * float(total[-1]))
    return [int(n) for n in order[: int(np.searchsorted(total, wanted - 1e-9)) + 1]]


def _forecasting(finished: Sequence[Finished], weights: Floats, look: int) -> _Forecasting | None:
    there = _there(finished, look)
    if len(there) < _LEAST:
        return None
    seen = np.array([finished[n].looks[look] for n in there], dtype=np.float64)
    scores = np.array([finished[n].score for n in there])
    centre = np.median(seen, axis=0)
    scale = np.array([deviation(column, weights[there]) for column in (seen - centre).T])
    x = np.column_stack([np.ones(len(there)), np.clip((seen - centre) / scale, -_FAR, _FAR)])
    beta, without = regress(x, scores, weights[there], _RIDGE)
    spread = max(quantile(np.abs(without), weights[there], COVERAGE) / BAND, 1e-9)
    return _Forecasting(centre, scale, beta, spread)


def _gauge(good: Sequence[Finished], weights: Floats, look: int) -> tuple[_Gauge | None, Floats]:
    """The gauge at a look, and the excess of each curve [n] against its own end without itself.

    Minus infinity for a curve that had no such look.
    """
    excess = np.full(len(good), -math.inf)
    there = _there(good, look)
    if len(there) < _LEAST:
        return None, excess
    levels = np.array([seen[0] for n in there if (seen := good[n].looks[look]) is not None])
    scores = np.array([good[n].score for n in there])
    centre = float(np.median(scores))
    scale = deviation(scores - centre, weights[there])
    x = np.column_stack([np.ones(len(there)), (scores - centre) / scale])
    beta, without = regress(x, levels, weights[there], 0.0)
    slope = float(beta[1]) / scale
    if slope < 0:  # a worse score with a lower loss: noise
        slope, without = 0.0, levels - float(beta[0])
    spread = deviation(without, weights[there])
    excess[there] = without / spread
    return _Gauge(centre, float(beta[0]), slope, spread), excess


def _there(finished: Sequence[Finished], look: int) -> list[int]:
    return [n for n, one in enumerate(finished) if one.looks[look] is not None]
