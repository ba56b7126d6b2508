"""The tests that call a running experiment hopeless, from its forecasts so far.

`conformal` is ours: hopeless when a forecast lies more spreads above the threshold than all but a
promised share of good runs ever do (engine/calibration.py). `sprt` is the sequential probability
ratio test of AutoResearch-RL (arXiv 2603.07300) after Wald (Annals of Mathematical Statistics 16,
1945), for comparison: it takes the looks for independent, which they are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.calibration import Forecast

_SPRT_MISSED = 0.05


def threshold(best: float, forecast: Forecast, alpha: float) -> float:
    """tau = bpb* + alpha sigma_h: the worst score that is worth finishing."""
    return best + alpha * forecast.spread


def conformal(forecasts: Sequence[Forecast], best: float, alpha: float, bound: float) -> bool:
    """Whether the last forecast is hopeless; `bound` in spreads, as `Calibration.bound` gives."""
    if not forecasts or not math.isfinite(bound):
        return False
    last = forecasts[-1]
    return last.score - bound * last.spread > threshold(best, last, alpha)


def sprt(forecasts: Sequence[Forecast], best: float, alpha: float, level: float) -> bool:
    """Wald's test of "ends a spread above the threshold" against "ends a spread below it".

    `level` is its nominal chance of a false abort.
    """
    upper = math.log((1 - _SPRT_MISSED) / level)
    lower = math.log(_SPRT_MISSED / (1 - level))
    ratio = 0.0
    for forecast in forecasts:
        # Normal errors with that spread: the logarithm of the densities' ratio is linear.
        ratio += 2 * (forecast.score - threshold(best, forecast, alpha)) / forecast.spread
        if ratio >= upper:
            return True
        if ratio <= lower:
            return False
    return False
