"""What finished curves teach about running ones: how they end, and how far off a forecast may be.

At each look (a share of the budget, the same for all) the final score is regressed on the fitted
curve's level and tail, over the curves that have finished: that is the correction for what a power
law cannot know, such as a warm-down. The regression is robust (Huber, Annals of Statistics 35,
1964), so that a few runs that went astray do not bend it.

*Hopeless.* Looks are correlated, so a bound on each does not bound them all. What is calibrated is
the *largest* standardised error over all looks of a curve, forecast minus end: with the conformal
quantile of it (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; for the
left-out forecasts: Barber et al., Annals of Statistics 49, 2021), at most a share `level` of
exchangeable curves is ever forecast worse, at any look, than it ends plus that much. Only curves
that ended well are asked, each source once: a false abort is one of a run that would have ended
well, and such runs are the ones that are forecast too high.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.forecast import Floats

Seen: TypeAlias = tuple[float, float] | None
"""Level and tail at one look, in nats; None where nothing could be fitted."""

COVERAGE = 0.9  # of the forecast's band
BAND = 1.645  # half of it, in spreads: as for a normal distribution
_LEAST = 12  # finished curves without which there is no forecast at a look
_GOOD_SHARE = 0.5  # of the finished curves, the best
_RIDGE = 0.02  # per curve; in units of the standardised columns
_BIWEIGHT = 6.0  # a run that is so many sigma off has no say
_ROUNDS = 12


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
class _Model:
    """The regression at one look."""

    centre: Floats  # [2]
    scale: Floats  # [2]
    weights: Floats  # [3], the first is the intercept
    spread: float

    def predict(self, seen: tuple[float, float]) -> float:
        x = (np.array(seen) - self.centre) / self.scale
        return float(self.weights[0] + x @ self.weights[1:])


class Calibration:
    """Forecasts, and the bound beyond which one is hopeless, from some finished curves."""

    def __init__(self, finished: Sequence[Finished], looks: int) -> None:
        """`looks` is the number of looks, which all curves share."""
        self.curves = len(finished)
        self._models: list[_Model | None] = []
        self._errors = np.full((len(finished), looks), -math.inf)
        counts: dict[str, int] = {}
        for one in finished:
            counts[one.source] = counts.get(one.source, 0) + 1
        # A source that was run many times is still one script.
        weights = np.array([one.weight / counts[one.source] for one in finished])
        for number in range(looks):
            model, errors = _regress(finished, weights, number)
            self._models.append(model)
            self._errors[:, number] = errors
        self._scores = np.array([one.score for one in finished])
        self._weights = weights

    def forecast(self, look: int, seen: Seen) -> Forecast | None:
        """What a curve that looks like this at a look ends with; None while nobody can know."""
        model = self._models[look]
        if model is None or seen is None:
            return None
        return Forecast(model.predict(seen), model.spread)

    def bound(self, level: float) -> float:
        """How many spreads a forecast may lie above the threshold before a run is hopeless.

        Infinite where so small a `level` cannot be promised yet.
        """
        good = self._good(1 / level - 1)  # with fewer there is no such conformal quantile
        if good is None:
            return math.inf
        worst = self._errors[good].max(axis=1)
        return conformal_quantile(worst, self._weights[good], level)

    def _good(self, least: float) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
        """The numbers of the curves that ended best, by weight `least` of them; None for fewer."""
        order = np.argsort(self._scores, kind="stable")
        total = np.cumsum(self._weights[order])
        wanted = max(least, _GOOD_SHARE * float(self._weights.sum()))
        if not len(order) or total[-1] < wanted:
            return None
        return order[: int(np.searchsorted(total, wanted - 1e-9)) + 1]


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


def _regress(
    finished: Sequence[Finished], weights: Floats, look: int
) -> tuple[_Model | None, Floats]:
    """The regression at a look, and what each curve was forecast too high without itself [n].

    In spreads; minus infinity for a curve that could not be forecast then.
    """
    errors = np.full(len(finished), -math.inf)
    there = [n for n, one in enumerate(finished) if one.looks[look] is not None]
    if len(there) < _LEAST:
        return None, errors
    seen = np.array([finished[n].looks[look] for n in there], dtype=np.float64)
    scores = np.array([finished[n].score for n in there])
    w = weights[there]
    centre = np.median(seen, axis=0)
    scale = np.maximum(1.4826 * np.median(np.abs(seen - centre), axis=0), 1e-6)
    x = np.column_stack([np.ones(len(there)), (seen - centre) / scale])
    penalty = np.diag([0.0, _RIDGE, _RIDGE]) * float(w.sum())
    left = scores - _weighted_quantile(scores, w, 0.5)
    for _ in range(_ROUNDS):
        sigma = max(1.4826 * _weighted_quantile(np.abs(left), w, 0.5), 1e-9)
        robust = np.maximum(0.0, 1 - (left / (_BIWEIGHT * sigma)) ** 2) ** 2
        weighted = x.T * (w * robust)
        inverse = np.linalg.inv(weighted @ x + penalty)
        beta = inverse @ (weighted @ scores)
        left = scores - x @ beta
    leverage = np.minimum(0.9, np.einsum("ij,jk,ik->i", x, inverse, x) * w * robust)
    without = left / (1 - leverage)
    spread = max(_weighted_quantile(np.abs(without), w, COVERAGE) / BAND, 1e-9)
    errors[there] = -without / spread
    return _Model(centre, scale, beta, spread), errors


def _weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    place = int(np.searchsorted(total, share * total[-1] - 1e-9))
    return float(values[order[min(place, len(order) - 1)]])
