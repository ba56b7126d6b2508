"""The keep rule: an apparent gain counts only when fresh re-runs confirm it beyond the noise.

A candidate's first score is the best of many noisy draws, so it is never evidence. The rule:

1. *Screen.* A first score that gains more than `screen` sigma on the incumbent's mean is tested.
   While the incumbent's mean is too rough to tell, the incumbent is run again first.
2. *Test.* The candidate is run again with up to `max_confirmations` fresh seeds, the incumbent
   until it has up to `incumbent_runs`. After each run the means are compared by Student's t;
   sigma is pooled over the residuals within re-run sources. Beyond the bound: promoted. Not
   likely to get there any more: rejected. Otherwise one more run.
3. *Budget of errors.* `alpha` bounds the chance that a study promotes anything that is no gain.
   Each test spends a share of it, each look at a test a part of that share.

The three bounds and their constants are calibrated by simulation, with Gaussian and with
heavy-tailed noise: `arl-tui bench acceptance`, docs/acceptance.md.

Everything here is a pure function of the recorded experiments, so that a resumed study decides as
an uninterrupted one would have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from scipy.special import stdtrit

from engine.settings import Acceptance
from state.records import Experiment, Incumbent

# How often a source's re-runs may fail outright before there are no more of them.
_FAILURES = 2
# One fresh run alone promotes nothing: with heavy-tailed noise a single lucky one is too likely.
_FRESH = 2
# The screen is open within so many standard errors that re-runs of the incumbent could remove.
_DOUBT = 1.5
# A test goes on while such a swing of what is still to be run, in standard errors, would do.
_HOPE = 1.6
# The first tests of a study share half of alpha evenly, all later ones the other half.
_EVEN_TESTS = 7
# A look at a fraction f of the information may spend f ** 4: early on only the overwhelming counts
# (the family of Kim and DeMets, Biometrika 74, 1987).
_LOOK_POWER = 4


@dataclass(frozen=True)
class Noise:
    """The run-to-run standard deviation of a score, and the degrees of freedom behind it."""

    sigma: float
    freedom: int


@dataclass(frozen=True)
class Verdict:
    """What to do with a candidate: `confirm` or `replicate` ask for one more run."""

    action: Literal["confirm", "replicate", "promote", "reject", "wait"]
    reason: str
    score: float | None = None


class Runs:
    """The runs of an epoch, sorted by the source that they measure."""

    def __init__(self, experiments: Iterable[Experiment], epoch_id: int) -> None:
        self.all: list[Experiment] = []
        self._epoch_id = epoch_id
        self._repeats: dict[str, list[Experiment]] = {}
        self._fresh: dict[str, list[float]] = {}
        self._tested: dict[str, None] = {}  # in the order of the first confirmations
        self._kept: set[str] = set()
        self._noise: Noise | None = None
        for experiment in experiments:
            self.add(experiment)

    def add(self, run: Experiment) -> None:
        """Take in one more experiment, in the order of their ids."""
        if run.kind == "confirmation":
            self._tested.setdefault(run.source_sha)
        elif run.kind == "candidate" and run.status == "keep":
            self._kept.add(run.source_sha)
        if run.epoch_id != self._epoch_id:
            return
        self.all.append(run)
        # A candidate's own run was selected for its score: it is no fair sample.
        if run.kind == "candidate":
            return
        self._repeats.setdefault(run.source_sha, []).append(run)
        if run.val_bpb is not None:
            self._fresh.setdefault(run.source_sha, []).append(run.val_bpb)
            self._noise = None

    def fresh(self, source_sha: str) -> list[float]:
        """The scores of a source that nothing has selected."""
        return self._fresh.get(source_sha, [])

    def waiting(self, source_sha: str) -> int:
        """How many unselected runs of a source are queued or running."""
        return sum(not run.ended for run in self._repeats.get(source_sha, []))

    def failures(self, source_sha: str) -> int:
        """How many unselected runs of a source failed."""
        runs = self._repeats.get(source_sha, [])
        return sum(run.ended and run.val_bpb is None for run in runs)

    def noise(self) -> Noise | None:
        """sigma pooled over the residuals within each source; None before any was run twice."""
        if self._noise is None:
            squares, freedom = 0.0, 0
            for scores in self._fresh.values():
                mean = fmean(scores)
                squares += sum((score - mean) ** 2 for score in scores)
                freedom += len(scores) - 1
            if freedom > 0:
                self._noise = Noise(math.sqrt(squares / freedom), freedom)
        return self._noise

    def test_number(self, source_sha: str) -> int:
        """Which test of the study a source's is, from 1; those that led to a promotion are free.

        Counted over all epochs. A source that is not tested yet would come last.
        """
        number = 1
        for tested in self._tested:
            if tested == source_sha:
                break
            number += tested not in self._kept
        return number


def worth_confirming(
    score: float, incumbent: Sequence[float], noise: Noise | None, rule: Acceptance
) -> bool:
    """Whether a first score passes the screen, or might once the incumbent is known better."""
    gain = fmean(incumbent) - score
    if noise is None:
        return gain > 0
    doubt = _doubt(len(incumbent), rule.incumbent_runs)
    return gain > max(0.0, (rule.screen - doubt) * noise.sigma)


def judge(
    candidate: Experiment, runs: Runs, incumbent: Incumbent, incumbent_sha: str, rule: Acceptance
) -> Verdict:
    """Decide on a candidate that passed the screen."""
    sha = candidate.source_sha
    if candidate.val_bpb is None:
        return Verdict("reject", "it has no score")
    if candidate.epoch_id != incumbent.epoch_id:
        return Verdict("reject", "its score is of another epoch, and not comparable")
    if sha == incumbent_sha:
        return Verdict("reject", "it is what the incumbent is already")
    if runs.waiting(sha) or runs.waiting(incumbent_sha):
        return Verdict("wait", "re-runs are on their way")
    if runs.failures(sha) >= _FAILURES:
        return Verdict("reject", "its re-runs failed")
    mine, theirs = runs.fresh(sha), runs.fresh(incumbent_sha) or [incumbent.score]
    most = max(len(theirs), rule.incumbent_runs)
    if runs.failures(incumbent_sha) >= _FAILURES:
        most = len(theirs)
    if not mine:
        return _screen(candidate.val_bpb, theirs, most, runs.noise(), rule)
    level = rule.alpha * _share(runs.test_number(sha))
    return _test(mine, theirs, most, runs.noise(), level, rule)


def _screen(
    score: float, theirs: Sequence[float], most: int, noise: Noise | None, rule: Acceptance
) -> Verdict:
    """Decide on a candidate without a fresh run: is it worth any?"""
    gain = fmean(theirs) - score
    sigma = 0.0 if noise is None else noise.sigma
    doubt = _doubt(len(theirs), most)
    if gain <= max(0.0, (rule.screen - doubt) * sigma):
        return Verdict("reject", "against the incumbent's re-runs, no gain beyond the noise")
    if gain < (rule.screen + doubt) * sigma:
        return Verdict("replicate", "the incumbent is too roughly known to tell a gain")
    return Verdict("confirm", "its gain is to be confirmed by fresh runs")


def _test(
    mine: Sequence[float],
    theirs: Sequence[float],
    most: int,
    noise: Noise | None,
    level: float,
    rule: Acceptance,
) -> Verdict:
    """Compare a candidate's fresh runs with those of the incumbent, of which `most` may be made.

    `level` is the chance of a false promotion that the whole test may take.
    """
    n, m = len(mine), len(theirs)
    last = max(n, rule.max_confirmations)
    gain = fmean(theirs) - fmean(mine)
    fresh = f"{n} fresh run{'s' if n > 1 else ''}"
    if noise is not None:
        # The variance of the gain, in sigma squared: as it is, and after the last possible run.
        now, end = 1 / n + 1 / m, 1 / last + 1 / most
        needed = _quantile(noise.freedom, level * (end / now) ** _LOOK_POWER)
        if n >= _FRESH and gain > needed * noise.sigma * math.sqrt(now):
            return Verdict("promote", f"confirmed by {fresh}: {_sigmas(-gain, noise)}", fmean(mine))
        freedom = noise.freedom + (last - n) + (most - m)
        at_last = _quantile(freedom, level) * noise.sigma * math.sqrt(end)
        swing = _HOPE * noise.sigma * math.sqrt(max(0.0, now - end))
        if gain + swing < at_last or (n == last and m == most):
            found = f"{fresh}: {_sigmas(-gain, noise)}"
            return Verdict(
                "reject", f"{found}, within the noise (needs {_sigmas(-at_last, noise)})"
            )
    elif n == last and m == most:
        return Verdict("reject", f"{fresh}, but the noise could not be measured")
    # The incumbent's runs serve every later test too, so its side is kept ahead.
    if m < most and (n == last or m < most * (2 * n - 1) / last):
        return Verdict("replicate", "the incumbent is measured once more for a fair comparison")
    return Verdict("confirm", f"{fresh} leave{'' if n > 1 else 's'} it open")


def _doubt(runs: int, most: int) -> float:
    """By how much, in sigma, up to `most` runs of the incumbent might move its mean."""
    return _DOUBT * math.sqrt(max(0.0, 1 / runs - 1 / most))


def _share(test: int) -> float:
    """The part of alpha that a study's test number `test` may spend; endless tests spend it all."""
    return min(1.0, (_EVEN_TESTS / test) ** 2) / (2 * _EVEN_TESTS)


def _quantile(freedom: int, level: float) -> float:
    """What Student's t exceeds with the probability `level`."""
    return -float(stdtrit(freedom, level))  # the lower tail keeps its digits


def _sigmas(delta: float, noise: Noise) -> str:
    if noise.sigma <= 0:
        return f"{delta:+.4f}"
    return f"{delta:+.4f} ({delta / noise.sigma:+.1f} sigma)"
