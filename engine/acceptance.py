"""The keep rule: an apparent gain counts only when fresh re-runs confirm it beyond the noise.

A candidate's first score is the best of many noisy draws, so it only *screens*: it decides whether
the candidate is run again, and never enters the comparison. The fresh runs are compared with the
incumbent's by Student's t, with one sigma pooled over the residuals within re-run sources.

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

# How often a confirmation may fail outright before its candidate counts as unreliable.
_FAILURES = 2


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
    """The scored runs of an epoch, sorted by the source that they measure."""

    def __init__(self, experiments: Iterable[Experiment], epoch_id: int) -> None:
        self.all = [e for e in experiments if e.epoch_id == epoch_id]
        self._fresh: dict[str, list[float]] = {}
        for run in self.all:
            # A candidate's own run was selected for its score: it is no fair sample.
            if run.kind != "candidate" and run.val_bpb is not None:
                self._fresh.setdefault(run.source_sha, []).append(run.val_bpb)

    def fresh(self, source_sha: str) -> list[float]:
        """The scores of a source that nothing has selected."""
        return self._fresh.get(source_sha, [])

    def waiting(self, source_sha: str) -> int:
        """How many unselected runs of a source are queued or running."""
        return sum(
            e.source_sha == source_sha and e.kind != "candidate" and not e.ended for e in self.all
        )

    def failures(self, source_sha: str) -> int:
        """How many unselected runs of a source failed."""
        return sum(
            e.source_sha == source_sha and e.kind != "candidate" and e.ended and e.val_bpb is None
            for e in self.all
        )

    def noise(self) -> Noise | None:
        """sigma pooled over the residuals within each source; None before any was run twice."""
        squares, freedom = 0.0, 0
        for scores in self._fresh.values():
            mean = fmean(scores)
            squares += sum((score - mean) ** 2 for score in scores)
            freedom += len(scores) - 1
        if freedom == 0:
            return None
        return Noise(math.sqrt(squares / freedom), freedom)


def worth_confirming(
    score: float, incumbent: Sequence[float], noise: Noise | None, rule: Acceptance
) -> bool:
    """Whether a first score promises enough: a gain of more than `screen` sigma."""
    gain = fmean(incumbent) - score
    return gain > 0 and (noise is None or gain > rule.screen * noise.sigma)


def judge(
    candidate: Experiment, runs: Runs, incumbent: Incumbent, incumbent_sha: str, rule: Acceptance
) -> Verdict:
    """Decide on a candidate that passed the screen."""
    if candidate.val_bpb is None:
        return Verdict("reject", "it has no score")
    mine, theirs = runs.fresh(candidate.source_sha), runs.fresh(incumbent_sha)
    if runs.waiting(candidate.source_sha) or runs.waiting(incumbent_sha):
        return Verdict("wait", "re-runs are on their way")
    if runs.failures(candidate.source_sha) >= _FAILURES:
        return Verdict("reject", "its re-runs failed")
    noise = runs.noise()
    reference = theirs or [incumbent.score]
    if not mine and not worth_confirming(candidate.val_bpb, reference, noise, rule):
        return Verdict("reject", "it no longer beats the incumbent")
    if not mine:
        return Verdict("confirm", "its gain is to be confirmed by fresh runs")
    gain = fmean(reference) - fmean(mine)
    if gain <= 0:
        return Verdict("reject", f"fresh runs show no gain ({-gain:+.4f})")
    fresh = f"{len(mine)} fresh run{'s' if len(mine) > 1 else ''}"
    if noise is not None:
        spread = noise.sigma * math.sqrt(1 / len(mine) + 1 / len(reference))
        needed = float(stdtrit(noise.freedom, 1 - rule.alpha)) * spread
        if gain > needed:
            reason = f"confirmed by {fresh}: {_sigmas(-gain, noise)}"
            return Verdict("promote", reason, fmean(mine))
        if len(mine) >= rule.max_confirmations:
            return Verdict(
                "reject",
                f"{fresh}: {_sigmas(-gain, noise)}, within the noise "
                f"(needs {_sigmas(-needed, noise)})",
            )
    # The incumbent's side of the comparison matters as much: it is measured well, but lazily.
    few = len(mine) >= 2 and len(theirs) < rule.incumbent_runs
    if few and runs.failures(incumbent_sha) < _FAILURES:
        return Verdict("replicate", "the incumbent is measured once more for a fair comparison")
    return Verdict("confirm", f"{fresh} leave{'' if len(mine) > 1 else 's'} it open")


def _sigmas(delta: float, noise: Noise) -> str:
    if noise.sigma <= 0:
        return f"{delta:+.4f}"
    return f"{delta:+.4f} ({delta / noise.sigma:+.1f} sigma)"
