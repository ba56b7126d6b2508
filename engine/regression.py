"""Robust linear regression: a few points that went astray do not bend it.

Tukey's biweight, by iteratively re-weighted least squares (Beaton and Tukey, Technometrics 16,
1974), with a ridge; points far out in x count less from the start (Mallows' weights).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BIWEIGHT = 6.0  # a point that is so many sigma off has no say
_ROUNDS = 12
_NEAR = 3.0  # a point farther out than that, in any column, is held back
_MAD = 1.4826  # makes a median absolute deviation a standard deviation, for normal errors
_TINY = 1e-9


def regress(x: Floats, y: Floats, weights: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Coefficients [p] of y [n] on x [n, p], and what each point is off without itself [n].

    The first column of x is the intercept, which no ridge holds back; the others are standardised.
    `ridge` is per point.
    """
    penalty = ridge * float(weights.sum()) * np.eye(x.shape[1])
    penalty[0, 0] = 0.0
    far = np.abs(x[:, 1:]).max(axis=1)
    weights = weights * np.minimum(1.0, _NEAR / np.maximum(far, _NEAR)) ** 2
    left = y - quantile(y, weights, 0.5)
    for _ in range(_ROUNDS):
        sigma = max(_MAD * quantile(np.abs(left), weights, 0.5), _TINY)
        robust = np.maximum(0.0, 1 - (left / (_BIWEIGHT * sigma)) ** 2) ** 2
        weighted = x.T * (weights * robust)
        inverse = np.linalg.pinv(weighted @ x + penalty)
        beta = inverse @ (weighted @ y)
        left = y - x @ beta
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x) * weights * robust
    return beta, left / (1 - np.minimum(leverage, 0.9))


def deviation(values: Floats, weights: Floats) -> float:
    """The median absolute deviation from 0 as a standard deviation; never 0."""
    return max(_MAD * quantile(np.abs(values), weights, 0.5), _TINY)


def quantile(values: Floats, weights: Floats, share: float) -> float:
    """The smallest value that, with those below it, has a share of the weight."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    place = int(np.searchsorted(total, share * total[-1] - _TINY))
    return float(values[order[min(place, len(order) - 1)]])
