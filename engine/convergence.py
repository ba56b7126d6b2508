"""Convergence: whether going on is likely to bring anything, judged from the improvement record.

A *try* is a candidate whose outcome says something of the search: it scored, or was aborted as
hopeless. Failures and vetoes are none: a machine that fails is no evidence of convergence. A *gain*
is a confirmed promotion; scores are noisy, and nothing else counts. Gains of at most epsilon add up
until together they are more than epsilon.

The chance that the next N tries bring a gain is estimated twice, and the larger estimate counts:

1. *Since the last gain* there were m tries without one: N / (m + N). Model: these m and the next N
   are exchangeable. However many gains there are among m + N such tries, the chance that all of
   them fall into the last N, and at least one does, is at most N / (m + N), with equality for one.
   It is what Laplace's rule of succession gives, too (1774; uniform prior: N / (m + N + 1)). If
   instead the chance of a gain only falls from try to try, as for the records of independent draws
   (the n-th is a record with chance 1/n: Renyi, 1962; N / (n + N) for the next N), the bound holds
   the more: then it is at most (m / (m + N)) ** (m / N) * N / (m + N), about 0.37 of that.
2. *The trend* of all k gains, at the tries t_1..t_k of n: a power law process with intensity
   a * b * n ** (b - 1), as failures of a system that is being improved (Duane, IEEE Trans. Aerospace
   2, 1964; maximum likelihood by Crow, 1974: b = k / sum(ln(n / t_i))). Expected are
   k * ((1 + N / n) ** b - 1) gains, and the chance is 1 - exp(-expected). b is at most 1: gains do
   not become more frequent. A study with many gains has many stretches without one, and each would
   be a chance to stop too early; the trend knows how long its stretches usually are.

Sample complexity: no stop before m >= N * (1 / delta - 1) tries without a gain, and without more
assumptions no rule can do with fewer, because the first bound is attained.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.settings import Convergence


@dataclass(frozen=True)
class Record:
    """The improvement record: the number of tries, and the numbers (from 1) of those that gained."""

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
    recent = ahead / (record.fruitless + ahead)
    return Estimate(recent, _trend(record.gains, record.tries, ahead))


def needed(rule: Convergence) -> int:
    """How many tries in a row without a gain it takes at least."""
    return math.ceil(rule.experiments * (1 / rule.delta - 1) - 1e-9)


def converged(record: Record, rule: Convergence) -> bool:
    """Whether the estimated chance of a gain is at most `rule.delta`."""
    if record.fruitless < needed(rule):
        return False
    return _trend(record.gains, record.tries, rule.experiments) <= rule.delta


def _trend(gains: Sequence[int], tries: int, ahead: int) -> float:
    if not gains:
        return 0.0
    logs = sum(math.log(tries / gain) for gain in gains)
    power = min(1.0, len(gains) / logs) if logs > 0 else 1.0
    expected = len(gains) * math.expm1(power * math.log1p(ahead / tries))
    return -math.expm1(-expected)
