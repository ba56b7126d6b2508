"""The keep rule: an apparent gain counts only when fresh re-runs confirm it beyond the noise.

A candidate's first score is the best of many noisy draws, so it is never evidence. The rule:

1. *Screen.* A first score that gains more than `screen` sigma on the incumbent's mean is tested.
   While the incumbent's mean is too rough to tell, the incumbent is run again first.
2. *Test.* The candidate is run again with up to `max_confirmations` fresh seeds, the incumbent
   until it has up to `incumbent_runs`. After each run the means are compared by Student's t;
   sigma is pooled over the residuals within re-run sources. Beyond the bound: promoted. Not
   likely to get there any more: rejected. Otherwise one more run.
3. *Beside.* Nothing is promoted before the incumbent was run again since the candidate's first
   re-run, nor while a drift is suspected: a machine that has begun to score lower makes a gain
   of everything. After a drift only runs of the new segment are compared (engine/drift.py).
4. *Budget of errors.* `alpha` bounds the chance that a study promotes anything that is no gain.
   Each test spends a share of it, each look at a test a part of that share.

The three bounds and their constants are calibrated by simulation, with Gaussian and with
heavy-tailed noise: `arl-tui bench acceptance`, docs/acceptance.md.

Everything here is a pure function of the recorded experiments, so that a resumed study decides as
an uninterrupted one would have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy.special import stdtrit

from engine.drift import FOLLOW_UPS
from engine.means import mean
from engine.runs import Noise, Runs
from engine.score_words import BPB_WORDS, ScoreWords
from engine.sentinels import FAILURES
from engine.settings import Acceptance
from state.records import Experiment, Incumbent

# One fresh run alone promotes nothing: with heavy-tailed noise a single lucky one is too likely.
_FRESH = 2
# The screen is open within so many standard errors that re-runs of the incumbent could remove.
_DOUBT = 1.5
# A test goes on while such a swing of what is still to be run, in standard errors, would do.
_HOPE = 1.6
# A promotion needs so many runs of the incumbent since the candidate's first re-run.
_BESIDE = 2
# A suspected drift puts off a test's end until the incumbent was run so often beside it.
_PATIENCE = 2 * FOLLOW_UPS
# However well sigma is known: scores have longer tails than Gaussian ones, and late tests of a long
# study ask for their far ends.
_MOST_FREEDOM = 40
# The first tests of a study share half of alpha evenly, all later ones the other half.
_EVEN_TESTS = 7
# A look at a fraction f of the information may spend f ** 4: early on only the overwhelming counts
# (the family of Kim and DeMets, Biometrika 74, 1987).
_LOOK_POWER = 4


@dataclass(frozen=True)
class Verdict:
    """What to do with a candidate: `confirm` or `replicate` ask for one more run."""

    action: Literal["confirm", "replicate", "promote", "reject", "wait"]
    reason: str
    score: float | None = None


def worth_confirming(
    score: float, incumbent: Sequence[float], noise: Noise | None, rule: Acceptance
) -> bool:
    """Whether a first score passes the screen, or might once the incumbent is known better.

    `incumbent` are the scores of its runs; without any, everything might.
    """
    if not incumbent:
        return True
    gain = mean(incumbent) - score
    if noise is None:
        return gain > 0
    doubt = _doubt(len(incumbent), rule.incumbent_runs)
    return gain > max(0.0, (rule.screen - doubt) * noise.sigma)


def judge(
    candidate: Experiment,
    runs: Runs,
    incumbent: Incumbent,
    incumbent_sha: str,
    rule: Acceptance,
    words: ScoreWords = BPB_WORDS,
) -> Verdict:
    """Decide on a candidate that passed the screen. `words` are for the reasons' numbers."""
    sha = candidate.source_sha
    if candidate.val_bpb is None:
        return Verdict("reject", "it has no score")
    if candidate.epoch_id != incumbent.epoch_id:
        return Verdict("reject", "its score is of another epoch, and not comparable")
    if sha == incumbent_sha:
        return Verdict("reject", "it is what the incumbent is already")
    if runs.waiting(sha) or runs.waiting(incumbent_sha):
        return Verdict("wait", "re-runs are on their way")
    if runs.failures(sha) >= FAILURES:
        return Verdict("reject", "its re-runs failed")
    mine, theirs = runs.fresh(sha), runs.fresh(incumbent_sha)
    failing = runs.failures(incumbent_sha) >= FAILURES
    if runs.segment and not theirs and not failing:
        return Verdict("replicate", "the incumbent is measured anew after a drift")
    theirs = theirs or [incumbent.score]
    most = len(theirs) if failing else max(len(theirs), rule.incumbent_runs)
    across = runs.straddles(candidate)
    if mine:
        level = rule.alpha * _share(runs.test_number(sha))
        verdict = _test(mine, theirs, most, runs.noise(), level, rule, words)
        if rule.drift and not failing and verdict.action in ("promote", "reject"):
            verdict = _doubted(verdict, runs, sha, incumbent_sha, level, rule)
    elif runs.segment_of(candidate.id) < runs.segment:
        return Verdict("confirm", "its first score is of before a drift: it is run again")
    else:
        verdict = _screen(candidate.val_bpb, theirs, most, runs.noise(), rule)
    if across and verdict.action in ("promote", "reject"):
        return replace(verdict, reason=f"{verdict.reason}, compared across a drift")
    return verdict


def _doubted(
    verdict: Verdict, runs: Runs, sha: str, incumbent_sha: str, level: float, rule: Acceptance
) -> Verdict:
    """Put off how a test ends while a drift might be the cause."""
    mine, theirs = runs.fresh(sha), runs.fresh(incumbent_sha)
    beside = min(runs.runs_beside(incumbent_sha, sha), len(theirs))
    promotes = verdict.action == "promote"
    if promotes and beside < _BESIDE:
        return Verdict("replicate", "the incumbent is run beside it, lest the machine has drifted")
    after = runs.suspected(incumbent_sha)
    if 0 < after < FOLLOW_UPS and beside < _PATIENCE:
        return Verdict("replicate", "the incumbent's last runs differ from those before")
    if not promotes:
        return verdict
    # The gain must show beside the candidate, too, not only against what was run long ago.
    gain = mean(theirs) - mean(mine)
    if mean(theirs[-beside:]) - mean(mine) < gain / 2:
        if beside < FOLLOW_UPS:
            return Verdict("replicate", "the incumbent scores as well beside it")
        return Verdict("reject", "the incumbent scored as well beside it")
    if after:
        recent = _test(mine, theirs[-after:], after, runs.noise(), level, rule)
        if recent.action != "promote":
            reason = "no gain beyond the noise against the incumbent's last runs"
            return Verdict("confirm" if recent.action == "confirm" else "reject", reason)
    return verdict


def _screen(
    score: float, theirs: Sequence[float], most: int, noise: Noise | None, rule: Acceptance
) -> Verdict:
    """Decide on a candidate without a fresh run: is it worth any?"""
    gain = mean(theirs) - score
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
    words: ScoreWords = BPB_WORDS,
) -> Verdict:
    """Compare a candidate's fresh runs with those of the incumbent, of which `most` may be made.

    `level` is the chance of a false promotion that the whole test may take.
    """
    n, m = len(mine), len(theirs)
    last = max(n, rule.max_confirmations)
    gain = mean(theirs) - mean(mine)
    fresh = f"{n} fresh run{'s' if n > 1 else ''}"

    def said(delta: float, noise: Noise) -> str:
        change = words.change(delta, mean(mine))
        return f"{change} ({words.sigmas(delta, noise.sigma)})" if noise.sigma > 0 else change

    if noise is not None:
        # The variance of the gain, in sigma squared: as it is, and after the last possible run.
        now, end = 1 / n + 1 / m, 1 / last + 1 / most
        needed = _quantile(noise.freedom, level * (end / now) ** _LOOK_POWER)
        if n >= _FRESH and gain > needed * noise.sigma * math.sqrt(now):
            return Verdict("promote", f"confirmed by {fresh}: {said(-gain, noise)}", mean(mine))
        freedom = noise.freedom + (last - n) + (most - m)
        at_last = _quantile(freedom, level) * noise.sigma * math.sqrt(end)
        swing = _HOPE * noise.sigma * math.sqrt(max(0.0, now - end))
        if gain + swing < at_last or (n == last and m == most):
            found = f"{fresh}: {said(-gain, noise)}"
            return Verdict("reject", f"{found}, within the noise (needs {said(-at_last, noise)})")
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
    return -float(stdtrit(min(freedom, _MOST_FREEDOM), level))  # the lower tail keeps its digits
