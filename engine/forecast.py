"""A running experiment's loss curve as numbers: its level now, and where a power law says it ends.

Model: L(t) = a t^-b + c with a, b, c >= 0, t the spent share of the budget (the loss model of
AutoResearch-RL, arXiv 2603.07300; power laws of the loss in training time: Kaplan et al., arXiv
2001.08361). The fit knows nothing of schedules: a warm-down drops the loss at the end, and the
training loss is no val-bpb. What it misses is learnt from finished curves (engine/calibration.py).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

from engine.regression import Floats

LOOK_SECONDS = 30.0
LOOK_SHARE = 0.1
_BINS = 50  # the curve is averaged in bins of a fiftieth of the budget before it is fitted
_FIRST = 0.02  # the first steps from a random start follow no power law
_EXPONENTS = (0.02, 3.0)
_LEAST_BINS = 3
_MOST = 1e6  # nats: what is reported beyond that is no loss, and must not break the sums
_DIVERGED = 1.5  # times the first loss: an untrained model already predicts no better than chance


def look_shares(budget: float, clock: str) -> tuple[float, ...]:
    """The shares of the budget at which an experiment is looked at.

    Every 30 s, or every tenth of the budget if that is less; never at its end. `budget` is in
    seconds, or in batches with the clock `steps`.
    """
    share = LOOK_SHARE if clock == "steps" else min(LOOK_SHARE, LOOK_SECONDS / budget)
    count = math.ceil(1 / share - 1e-9)
    return tuple(number * share for number in range(1, count))


class SmoothedCurve:
    """A loss curve averaged in bins of a fiftieth of the budget, as it grows."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS)
        self._progress = np.zeros(_BINS)
        self._loss = np.zeros(_BINS)

    def add(self, progress: float, loss: float) -> None:
        """Take in the next point: the spent share of the budget, and a loss in nats."""
        if not (math.isfinite(progress) and math.isfinite(loss)):
            return
        loss = min(max(loss, -_MOST), _MOST)
        number = min(max(int(progress * _BINS), 0), _BINS - 1)
        self._counts[number] += 1
        self._progress[number] += progress
        self._loss[number] += loss

    def bins(self) -> tuple[Floats, Floats]:
        """Progress [n] and loss [n] of the n <= 50 bins in which there are points."""
        there = self._counts > 0
        counts = self._counts[there]
        return self._progress[there] / counts, self._loss[there] / counts

    def look(self, share: float) -> tuple[float, float] | None:
        """Level and tail of it, in nats: what is fitted at `share` of the budget, and at its end.

        None while there are too few points to fit.
        """
        found = fit(*self.bins())
        if found is None:
            return None
        a, b, c = found
        level, tail = a * share**-b + c, a + c
        return (level, tail) if math.isfinite(level) and math.isfinite(tail) else None

    @property
    def diverged(self) -> bool:
        """Whether the loss is far above where it began."""
        _, loss = self.bins()
        return len(loss) >= _LEAST_BINS and float(loss[-1]) > _DIVERGED * float(loss[0]) > 0


def fit(progress: Floats, loss: Floats) -> tuple[float, float, float] | None:
    """a, b and c of the power law nearest to a curve [n] in least squares.

    None for less than three points after the first fiftieth of the budget.
    """
    late = progress >= _FIRST
    t, y = progress[late], loss[late]
    if len(t) < _LEAST_BINS:
        return None

    def squares(b: float) -> float:
        return _linear(t**-b, y)[2]

    # For a given b the model is linear: one unknown is left to search for.
    b = float(minimize_scalar(squares, bounds=_EXPONENTS, method="bounded").x)
    a, c, _ = _linear(t**-b, y)
    return a, b, c


def _linear(x: Floats, y: Floats) -> tuple[float, float, float]:
    """a, c >= 0 with the least squares of a x + c - y, and these squares."""
    x_mean, y_mean = float(x.mean()), float(y.mean())
    spread = float(((x - x_mean) ** 2).sum())
    a = max(0.0, float(((x - x_mean) * (y - y_mean)).sum()) / spread) if spread > 0 else 0.0
    c = y_mean - a * x_mean
    if c < 0:
        a, c = max(0.0, float(x @ y) / float(x @ x)), 0.0
    return a, c, float(((a * x + c - y) ** 2).sum())
