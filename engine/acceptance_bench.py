"""Simulated studies for the keep rule: how often it promotes nothing, how often it sees a gain.

A study here is baseline, replicates and edits whose true gain is known; only the scores are drawn.
The rule's own functions decide, on the same records as in the engine. Beside it run the two naive
rules that people use.

Scores are in units of the noise's standard deviation: sigma = 1, and the baseline's mean is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Final, Literal, Protocol

import numpy as np
from scipy.special import betaincinv

from engine.acceptance import Runs, judge, worth_confirming
from engine.settings import Acceptance
from state.records import Experiment, Incumbent, Kind, Status

NoiseName = Literal["gaussian", "t(4)"]
NOISES: Final[tuple[NoiseName, ...]] = ("gaussian", "t(4)")
GAINS: Final = (2.0, 3.0, 4.0)  # true gains, in sigma, whose promotion is counted
FIRST_GAIN: Final = 3.0  # of the true promotion before the edits of a "promoted" study
_TRIES = 1000  # edits of that gain that a rule may turn down before it is given up
_EPOCH = 1


@dataclass(frozen=True)
class Row:
    """What a rule did in `studies` simulated studies of `edits` edits each.

    `promoted` says whether the edits follow a true promotion. `false_bound` is the upper 95 %
    bound of `false`, the share of studies of no-op edits with any promotion. `power` is the share
    of single true gains promoted, by gain in sigma; their places among no-op edits are spread
    evenly.
    Confirmations and re-runs of the incumbent are means per 100 no-op edits and per study.
    """

    rule: str
    noise: NoiseName
    promoted: bool
    studies: int
    edits: int
    false: float
    false_bound: float
    power: dict[float, float]
    confirmations_per_100: float
    incumbent_reruns: float


class Draws:
    """Unit-variance noise, one number at a time, from a seed."""

    def __init__(self, noise: NoiseName, *seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._heavy = noise == "t(4)"
        self._block: Iterator[float] = iter(())

    def __call__(self) -> float:
        """The next draw."""
        for draw in self._block:
            return draw
        if self._heavy:
            block = self._random.standard_t(4, 256) / math.sqrt(2)  # its variance is 4 / (4 - 2)
        else:
            block = self._random.standard_normal(256)
        self._block = iter(block.tolist())
        return next(self._block)


class Keeper(Protocol):
    """A keep rule in one simulated study."""

    confirmations: int
    incumbent_reruns: int

    def offer(self, gain: float) -> bool:
        """Try an edit that truly gains `gain` on the incumbent; whether it is promoted."""
        ...


class KeepRule:
    """The engine's rule: its functions, and the records that they read."""

    def __init__(self, draw: Draws, rule: Acceptance) -> None:
        self.confirmations = 0
        self.incumbent_reruns = 0
        self._draw = draw
        self._rule = rule
        self._count = 0
        self._mean, self._sha = 0.0, "0"
        self._runs = Runs([], _EPOCH)
        self._record("baseline", self._sha, self._mean)
        for _ in range(rule.replicates):
            self._record("replicate", self._sha, self._mean)
        self._incumbent = Incumbent(
            seq=1, epoch_id=_EPOCH, experiment_id=0, since="", score=0.0, sigma=None
        )

    def offer(self, gain: float) -> bool:
        """As the engine: screen the first score, then do what the rule says until it is settled."""
        mean = self._mean - gain
        score = mean + self._draw()
        runs, rule = self._runs, self._rule
        self._count += 1
        if not worth_confirming(score, runs.fresh(self._sha), runs.noise(), rule):
            return False
        candidate = _experiment(self._count, "candidate", "discard", str(self._count), score)
        while True:
            verdict = judge(candidate, runs, self._incumbent, self._sha, rule)
            if verdict.action == "confirm":
                self._record("confirmation", candidate.source_sha, mean)
                self.confirmations += 1
            elif verdict.action == "replicate":
                self._record("replicate", self._sha, self._mean)
                self.incumbent_reruns += 1
            else:
                break
        if verdict.action != "promote":
            return False
        runs.add(replace(candidate, status="keep"))
        self._mean, self._sha = mean, candidate.source_sha
        return True

    def _record(self, kind: Kind, sha: str, mean: float) -> None:
        self._count += 1
        self._runs.add(_experiment(self._count, kind, "keep", sha, mean + self._draw()))


class NaiveRule:
    """Keeps a first score that beats the incumbent's by `margin` times the sigma of the baseline.

    sigma is that of 3 runs of the baseline. The score that was kept is the next one to beat.
    """

    def __init__(self, draw: Draws, margin: float) -> None:
        self.confirmations = 0
        self.incumbent_reruns = 0
        baseline = [draw() for _ in range(3)] if margin else [draw()]
        self._draw = draw
        self._mean, self._best = 0.0, fmean(baseline)
        self._needed = margin * stdev(baseline) if margin else 0.0

    def offer(self, gain: float) -> bool:
        """Run it once and compare."""
        mean = self._mean - gain
        score = mean + self._draw()
        if score >= self._best - self._needed:
            return False
        self._mean, self._best = mean, score
        return True


RULES: Final = ("the keep rule", "beats by 2 sigma", "keep if better")


def simulate(studies: int, edits: int, seed: int, rule: Acceptance | None = None) -> Iterator[Row]:
    """Every rule under every noise, before and after a true promotion; one row each as it is done.

    The same arguments give the same rows; `rule` is the engine's default unless given.
    """
    settings = rule or Acceptance()
    for name in RULES:
        for noise in NOISES:
            for promoted in (False, True):
                yield _row(name, noise, promoted, studies, edits, seed, settings)


def upper_bound(hits: int, trials: int, confidence: float = 0.95) -> float:
    """The one-sided upper bound of a proportion by Clopper and Pearson (Biometrika 26, 1934)."""
    if hits >= trials:
        return 1.0
    return float(betaincinv(hits + 1, trials - hits, confidence))


def _row(
    name: str,
    noise: NoiseName,
    promoted: bool,
    studies: int,
    edits: int,
    seed: int,
    settings: Acceptance,
) -> Row:
    def begin(stream: int, study: int) -> Keeper:
        keeper = _keeper(name, Draws(noise, seed, stream, study), settings)
        if promoted:
            any(keeper.offer(FIRST_GAIN) for _ in range(_TRIES))
        return keeper

    false, confirmations, reruns = 0, 0, 0
    for study in range(studies):
        keeper = begin(0, study)
        before = keeper.confirmations, keeper.incumbent_reruns
        # Every edit is offered, also after a false promotion: the counts are of whole studies.
        false += sum(keeper.offer(0.0) for _ in range(edits)) > 0
        confirmations += keeper.confirmations - before[0]
        reruns += keeper.incumbent_reruns - before[1]
    power = {}
    for stream, gain in enumerate(GAINS, start=1):
        hits = 0
        for study in range(studies):
            keeper = begin(stream, study)
            for _ in range(study * edits // studies):
                keeper.offer(0.0)
            hits += keeper.offer(gain)
        power[gain] = hits / studies
    return Row(
        rule=name,
        noise=noise,
        promoted=promoted,
        studies=studies,
        edits=edits,
        false=false / studies,
        false_bound=upper_bound(false, studies),
        power=power,
        confirmations_per_100=100 * confirmations / (studies * edits),
        incumbent_reruns=reruns / studies,
    )


def _keeper(name: str, draw: Draws, settings: Acceptance) -> Keeper:
    if name == "the keep rule":
        return KeepRule(draw, settings)
    return NaiveRule(draw, margin=2.0 if name == "beats by 2 sigma" else 0.0)


def _experiment(number: int, kind: Kind, status: Status, sha: str, score: float) -> Experiment:
    return Experiment(
        id=number,
        epoch_id=_EPOCH,
        kind=kind,
        parent_id=None,
        subject_id=None,
        source_sha=sha,
        parent_sha=None,
        edit=None,
        diff="",
        summary="",
        policy=None,
        proposal_number=None,
        log_prob=None,
        why="",
        seed=0,
        status=status,
        reason="",
        val_bpb=score,
        sealed_bpb=None,
        delta=None,
        seconds=None,
        wall_seconds=None,
        startup_seconds=None,
        score_seconds=None,
        steps=None,
        peak_memory_mb=None,
        device=None,
        slot=None,
        attempt=1,
        created_at="",
        started_at=None,
        ended_at=None,
        process=None,
    )
