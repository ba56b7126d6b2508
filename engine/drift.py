"""Drift: has the machine begun to score otherwise? A change-point scan of the incumbent's runs.

Model: without a drift, the runs of one source are independent draws around its mean, with one
sigma for all sources. A drift shifts every later score by the same amount. Only runs that nothing
selected are scanned: baseline, replicates and sentinels, source by source, in the order in which
they ended. A promoted candidate's confirmations are lower than its mean, because they had to be:
they count as runs before a drift to lower scores, which that makes harder to see, and as nothing
for one to higher scores.

After each such run every split of the source's runs into earlier and later ones is looked at, as in
the likelihood-ratio test for a change at an unknown place (Hawkins, JASA 72, 1977; with sigma
unknown: Hawkins, Qiu and Kang, J. Quality Technology 35, 2003). For the split that explains most,
Student's t compares the two sides; sigma is that of the keep rule, pooled over all re-run sources,
with the change fitted. The smaller of the differences in means and in medians counts, so that one
wild run makes no drift.

`level` is the chance of a false alarm in a study, whatever its length: look number j may spend the
share 3/(j(j-1)) of it, j >= 7. These sum to 1/2; the other half is for the many splits of a look,
as calibrated by simulation with Gaussian and t(4) noise (docs/acceptance.md).

The scan only goes forward, and what it found stays: it is a function of what has ended so far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.special import stdtr

from engine.means import mean
from engine.score_words import BPB_WORDS, ScoreWords

# Runs before and after a change without which it is not seen.
_BEFORE = 3
_AFTER = 4
# While a change is suspected, the incumbent has so many runs after it that more are asked for.
FOLLOW_UPS = 6
# A suspicion only costs a run: it may be wrong once in so many looks.
_SUSPICION = 0.02
_UNREMARKABLE = 2.0  # no t up to here is suspicious, whatever the degrees of freedom


@dataclass(frozen=True)
class Drift:
    """All scores since experiment `first_id` lie `shift` higher than those until `last_id`.

    Between the two nothing is known. `shift` and `sigma`, of one run, are in the score's unit;
    `before` and `after` are how many runs of the incumbent showed it, the last being `found_id`.
    """

    last_id: int
    first_id: int
    found_id: int
    shift: float
    sigma: float
    before: int
    after: int

    def told(self, words: ScoreWords = BPB_WORDS, beside: float = 0.0) -> str:
        """What happened, with numbers as exact as the score `beside` them."""
        sigmas = f" ({abs(self.shift) / self.sigma:.1f} sigma)" if self.sigma > 0 else ""
        return (
            f"Scores moved by {words.change(self.shift, beside)}{sigmas} since #{self.last_id}: "
            f"{self.after} runs of the incumbent against {self.before} before. "
            f"From #{self.first_id} on, scores are compared among themselves"
        )


@dataclass(frozen=True)
class Residuals:
    """The squares that sigma is estimated from, pooled within sources, and their freedom."""

    squares: float
    freedom: int


class DriftScan:
    """Reads a segment's runs one by one, as they end."""

    def __init__(self, level: float) -> None:
        self._level = level
        self._looks = 0
        self._runs: dict[str, list[_Run]] = {}

    def skip(self) -> None:
        """Count a run of an earlier epoch: all looks of a study share the level."""
        self._looks += 1

    def confirmed(self, run_id: int, source: str, score: float) -> None:
        """Take in a confirmation, which may be of a later incumbent."""
        self._runs.setdefault(source, []).append(_Run(run_id, score, False))

    def add(self, run_id: int, source: str, score: float, noise: Residuals) -> Drift | None:
        """Take in a run that nothing selected, with its residual in `noise`; the drift it shows."""
        self._looks += 1
        runs = self._runs.setdefault(source, [])
        runs.append(_Run(run_id, score, True))
        if self._level <= 0:
            return None
        level = self._level * 3 / max(1, self._looks * (self._looks - 1))
        found = _change(runs, noise, level)
        if found is None or found.shift > 0:
            found = _change([run for run in runs if run.fair], noise, level)
        if found is not None:
            for source, known in self._runs.items():
                self._runs[source] = [run for run in known if run.id >= found.first_id]
        return found

    def runs_since(self, source: str, run_id: int) -> int:
        """How many fair runs of a source in the segment were queued after experiment `run_id`."""
        return sum(run.fair and run.id > run_id for run in self._runs.get(source, ()))


@dataclass(frozen=True)
class _Run:
    """A score; `fair` unless it was confirmed by being low."""

    id: int
    score: float
    fair: bool


def _change(runs: Sequence[_Run], noise: Residuals, level: float) -> Drift | None:
    """The drift that a source's runs show, if chance alone shows one with less than `level`."""
    if len(runs) < _BEFORE + _AFTER:
        return None
    scores = [run.score for run in runs]
    split = _best_split(scores)
    old, new = scores[:split], scores[split:]
    means, medians = mean(new) - mean(old), median(new) - median(old)
    shift = min(means, medians, key=abs) if means * medians > 0 else 0.0
    t, sigma = _compare(shift, means, len(old), len(new), noise)
    if _two_sided(t, noise.freedom - 1) >= level:
        return None
    last, first = runs[split - 1].id, runs[split].id
    return Drift(last, first, runs[-1].id, means, sigma, len(old), len(new))


def suspected(scores: Sequence[float], newest: int, noise: Residuals) -> int:
    """How many of the last runs seem to come after a change; 0 if none do.

    `scores` are a source's runs, of which only the `newest` last may lie after a change.
    """
    if not scores or min(scores) == max(scores):
        return 0
    found, least, n = 0, _SUSPICION, len(scores)
    whole, late = math.fsum(scores), 0.0
    for after in range(1, min(newest, FOLLOW_UPS, n - 2) + 1):
        late += scores[-after]
        shift = late / after - (whole - late) / (n - after)
        t = _compare(shift, shift, n - after, after, noise)[0]
        if t > _UNREMARKABLE:
            p = _two_sided(t, noise.freedom - 1)
            if p < least:
                found, least = after, p
    return found


def _best_split(scores: Sequence[float]) -> int:
    """The number of runs before the change that explains the most."""
    n = len(scores)
    before = np.arange(_BEFORE, n - _AFTER + 1)
    sums = np.cumsum(np.asarray(scores) - scores[0])
    first = sums[before - 1]
    difference = (sums[-1] - first) / (n - before) - first / before
    return int(before[np.argmax(difference**2 * before * (n - before))])


def _compare(
    shift: float, means: float, before: int, after: int, noise: Residuals
) -> tuple[float, float]:
    """Student's t of a shift, and sigma with a change by the difference in `means` fitted."""
    weight = before * after / (before + after)
    left = noise.squares - weight * means**2
    if noise.freedom < 2:
        return 0.0, 0.0
    if left <= 1e-9 * noise.squares:  # but for rounding, nothing is left: there is no noise
        return (math.inf if shift else 0.0), 0.0
    sigma = math.sqrt(left / (noise.freedom - 1))
    return abs(shift) * math.sqrt(weight) / sigma, sigma


def _two_sided(t: float, freedom: int) -> float:
    """The chance that Student's t lies farther from 0 than `t`."""
    return 2 * float(stdtr(freedom, -t)) if freedom > 0 else 1.0
