"""Convergence: whether going on is likely to bring anything, judged from the improvement record.

A *try* is a candidate whose outcome says something of the search: it scored, or was aborted as
hopeless. Failures and vetoes are none: a machine that fails is no evidence of convergence. A *gain*
is a confirmed promotion; scores are noisy, and nothing else counts. Gains of at most epsilon add up
until together they are more than epsilon.

The chance that the next N tries bring a gain is estimated twice, and the larger estimate counts:

1. *Recent*: there were m tries since the last gain, or since the first try: N / (m + N). Model:
   these m and the next N are exchangeable. However many gains there are among m + N such tries, the
   chance that there is one and all of them fall into the last N is at most N / (m + N), with
   equality for a single gain. Laplace's rule of succession says nearly the same (1774; uniform
   prior: N / (m + N + 1)). If instead the chance of a gain never rises from try to try, as for
   records of independent draws (the n-th is one with chance 1/n: Renyi, 1962), it is at most
   (m / (m + N)) ** (m / N) * N / (m + N), which is 0.39 of that at N / (m + N) = 0.1.
2. *Trend*: the last 8 gains, at the tries t_1..t_k of n since the gain before them, as a power law
   process with intensity a * b * n ** (b - 1), which describes the failures of a system that is
   being improved (Duane, IEEE Trans. Aerospace 2, 1964). By maximum likelihood b is
   k / sum(ln(n / t_i)) (Crow, 1974), here at most 1: gains do not become more frequent. Expected
   are k * ((1 + N / n) ** b - 1), and the chance of any is 1 - exp(-expected). A study with steady
   gains has many stretches without one, and each would be a chance to stop too early; the trend
   knows how long they usually are. Of the last gains alone, because a search that exhausts what
   there is slows down faster than a power law.

Sample complexity: no stop before m >= N * (1 / delta - 1) tries without a gain; and as the first
bound is attained, no rule can do with fewer on exchangeability alone. How often it errs under other
processes: `arl-tui bench oracle`, docs/oracle.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from engine.settings import Convergence

TREND_GAINS = 8  # with fewer it forgets too soon that gains were steady, with more that they ended


@dataclass(frozen=True)
class Record:
    """The improvement record: how many tries, and the numbers (from 1) of those that gained."""

    tries: int
    gains: tuple[int, ...] = ()

    @property
    def fruitless(self) -> int:
        """Tries since the last gain."""
        return self.tries - (self.gains[-1] if self.gains else 0)


@dataclass(frozen=True)
class Estimate:
    """The chance that the next tries bring a gain: by the last stretch, and by the trend."""

    recent: float
    trend: float

    @property
    def chance(self) -> float:
        """The larger of the two."""
        return max(self.recent, self.trend)


def gains_above(promotions: Iterable[tuple[int, float]], epsilon: float) -> tuple[int, ...]:
    """The tries at which gains have added up to more than `epsilon`, from (try, gain) in order."""
    found, sum_ = [], 0.0
    for number, gain in promotions:
        sum_ += gain
        if sum_ > epsilon:
            found.append(number)
            sum_ = 0.0
    return tuple(sorted(found))


def estimate(record: Record, ahead: int) -> Estimate:
    """The chance that the next `ahead` tries bring a gain, from 0 to 1."""
    return Estimate(ahead / (record.fruitless + ahead), trend(record, ahead))


def needed(rule: Convergence) -> int:
    """How many tries in a row without a gain it takes at least."""
    return math.ceil(rule.experiments * (1 / rule.delta - 1) - 1e-9)


def converged(record: Record, rule: Convergence) -> bool:
    """Whether the estimated chance of a gain is at most `rule.delta`."""
    if record.fruitless < needed(rule):
        return False
    return trend(record, rule.experiments) <= rule.delta


def trend(record: Record, ahead: int, last: int = TREND_GAINS) -> float:
    """The chance of a gain by the trend of the last gains; 0 without any."""
    start = record.gains[-last - 1] if len(record.gains) > last else 0
    gains = [gain - start for gain in record.gains[-last:]]
    if not gains:
        return 0.0
    tries = record.tries - start
    logs = sum(math.log(tries / max(gain, 1)) for gain in gains)
    power = min(1.0, len(gains) / logs) if logs > 0 else 1.0
    expected = len(gains) * math.expm1(power * math.log1p(ahead / tries))
    return -math.expm1(-expected)
