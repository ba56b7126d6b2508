"""The tests that call a running experiment hopeless, from its forecasts so far.

`conformal` is ours: hopeless when the level lies farther above that of a run which ends at the
threshold than all but a promised share of such runs ever do (engine/calibration.py). `sprt` is the
sequential probability ratio test of AutoResearch-RL (arXiv 2603.07300) after Wald (Annals of
Mathematical Statistics 16, 1945), for comparison: it takes the looks for independent, which they
are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.calibration import Forecast
from state.records import Look

_SPRT_MISSED = 0.05


def threshold(best: float, forecast: Forecast, alpha: float) -> float:
    """tau = bpb* + alpha sigma_h: the worst score that is worth finishing."""
    return best + alpha * forecast.spread


def conformal(look: Look, excess: float | None, bound: float) -> bool:
    """Whether a run is hopeless: beyond the bound, and forecast to end above the threshold."""
    if look.forecast is None or look.threshold is None:
        return False
    return excess is not None and excess > bound and look.forecast > look.threshold


def sprt(looks: Sequence[Look], level: float) -> bool:
    """Wald's test of "ends a spread above the threshold" against "ends a spread below it".

    `level` is its nominal chance of a false abort. Looks without a forecast say nothing.
    """
    upper = math.log((1 - _SPRT_MISSED) / level)
    lower = math.log(_SPRT_MISSED / (1 - level))
    ratio = 0.0
    for look in looks:
        if look.forecast is None or look.threshold is None or look.spread is None:
            continue
        # Normal errors with that spread: the logarithm of the densities' ratio is linear.
        ratio += 2 * (look.forecast - look.threshold) / look.spread
        if ratio >= upper:
            return True
        if ratio <= lower:
            return False
    return False
