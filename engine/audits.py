"""How often self-evaluation aborts a run that would have ended well: measured, not assumed.

A random share of the hopeless runs is let run to its end. Each of those stands for 1/p hopeless
ones (Horvitz and Thompson, JASA 47, 1952), so that the study knows what its aborts cost it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.special import betaincinv  # all of scipy.stats takes half a second to import

from engine.calibration import BAND
from state.records import Evaluation

CONFIDENCE = 0.9  # of the interval
# By how much one finished run moves the level of the bound, as a share of what is wrong with it.
_GAIN = 0.002
_LEVELS = (0.2, 2.0)  # how far it may move, as shares of what was promised


@dataclass(frozen=True)
class Ended:
    """A run that self-evaluation looked at, as recorded; its score is None if it has none."""

    source_sha: str
    score: float | None
    evaluation: Evaluation

    @property
    def good(self) -> bool | None:
        """Whether it ended below the threshold of the time; None if nobody knows."""
        threshold = self.evaluation.threshold
        if self.score is None or threshold is None:
            return None
        return self.score <= threshold


@dataclass(frozen=True)
class Report:
    """What the aborts of a study were worth.

    `false_aborts` is the estimated share of the good runs (those that end below the threshold)
    that are found hopeless, `low` to `high` its interval (Clopper and Pearson, Biometrika 26, 1934,
    on the audited ones). `coverage` is the share of forecasts whose band held the end.
    """

    condemned: int
    aborted: int
    audited: int
    false_aborts: float | None
    low: float | None
    high: float | None
    coverage: float | None


def is_audited(seed: int, experiment_id: int, probability: float) -> bool:
    """Whether an experiment runs to its end even if it is found hopeless: a draw of its own."""
    digest = hashlib.blake2b(f"{seed}:audit:{experiment_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < probability * 2.0**64


def report(runs: Sequence[Ended]) -> Report:
    """What has been measured so far."""
    condemned = [run for run in runs if run.evaluation.condemned_at is not None]
    audited = [run for run in condemned if run.evaluation.audited and run.good is not None]
    passed = sum(run.good is True for run in runs if run.evaluation.condemned_at is None)
    good = sum(run.good is True for run in audited)

    def rate(share: float) -> float | None:
        """False aborts, if that share of the hopeless runs would have ended well."""
        lost = share * len(condemned)
        return lost / (lost + passed) if lost + passed > 0 else None

    estimate = low = high = None
    if audited:
        estimate = rate(good / len(audited))
        tail = (1 - CONFIDENCE) / 2
        bad = len(audited) - good
        low = rate(float(betaincinv(good, bad + 1, tail)) if good else 0.0)
        high = rate(float(betaincinv(good + 1, bad, 1 - tail)) if bad else 1.0)
    aborted = sum(not run.evaluation.audited for run in condemned)
    return Report(len(condemned), aborted, len(audited), estimate, low, high, _coverage(runs))


def level_now(runs: Iterable[Ended], promised: float) -> float:
    """The level that the bound is asked for, so that as many good runs are lost as promised.

    Adaptive conformal inference (Gibbs and Candes, NeurIPS 2021): each good run whose end is known
    moves the level, up a little if it was not found hopeless, down by much if it was. An audited
    one counts 1/p times. `runs` are in the order in which they ended.
    """
    level = promised
    for run in runs:
        if run.good:
            wrong = run.evaluation.condemned_at is not None
            weight = 1.0 / (run.evaluation.audit_probability or 1.0) if wrong else 1.0
            level += _GAIN * weight * (promised - wrong)
            level = min(max(level, _LEVELS[0] * promised), _LEVELS[1] * promised)
    return level


def _coverage(runs: Iterable[Ended]) -> float | None:
    held = [
        abs(run.score - look.forecast) <= BAND * look.spread
        for run in runs
        if run.score is not None
        for look in run.evaluation.looks
        if look.forecast is not None and look.spread is not None
    ]
    return sum(held) / len(held) if held else None
