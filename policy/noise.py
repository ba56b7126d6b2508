"""The noise of a score, from sources that were run more than once."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence


def pooled_deviation(runs: Mapping[str, Sequence[float]]) -> float | None:
    """The standard deviation within sources, pooled; None when no two runs of one differ."""
    repeated = [scores for scores in runs.values() if len(scores) > 1]
    if not repeated:
        return None
    squares = sum((len(s) - 1) * statistics.variance(s) for s in repeated)
    return math.sqrt(squares / sum(len(s) - 1 for s in repeated)) or None
