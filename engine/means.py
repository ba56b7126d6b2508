"""The mean of scores, without rounding where they are all the same.

A script that is not random prints the same number each time: then there is no noise, and a mean
that is off in its last digit would be a gain of many sigma.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean


def mean(scores: Sequence[float]) -> float:
    """The mean of one score or more; of equal ones, that score to the last bit."""
    return scores[0] if min(scores) == max(scores) else fmean(scores)
