"""Keep rules in simulated studies: the engine's own functions, and the naive ones beside them.

A study here is baseline, replicates and edits whose true gain is known; only the scores are drawn.
Scores are in units of the noise's standard deviation: sigma = 1, and the baseline's mean is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean, stdev
from typing import Final, Literal, Protocol

import numpy as np

from engine.acceptance import judge, worth_confirming
from engine.drift import Drift
from engine.runs import Runs
from engine.sentinels import rerun_due
from engine.settings import Acceptance
from state.records import Experiment, Incumbent, Kind, Status

NoiseName = Literal["gaussian", "t(4)"]
NOISES: Final[tuple[NoiseName, ...]] = ("gaussian", "t(4)")
_EPOCH = 1


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
    sentinels: int

    def offer(self, gain: float) -> bool:
        """Try an edit that truly gains `gain` on the incumbent; whether it is promoted."""
        ...


class KeepRule:
    """The engine's rule: its functions, and the records that they read."""

    def __init__(self, draw: Draws, rule: Acceptance) -> None:
        self.confirmations = 0
        self.incumbent_reruns = 0
        self.sentinels = 0
        self.shift = 0.0  # what the machine adds to every score: set it to make a drift
        self._draw = draw
        self._rule = rule
        self._count = 0
        self._mean, self._sha = 0.0, "0"
        self._runs = Runs([], _EPOCH, rule.drift)
        self._record("baseline", self._sha, self._mean)
        for _ in range(rule.replicates):
            self._record("replicate", self._sha, self._mean)
        self._incumbent = Incumbent(
            seq=1, epoch_id=_EPOCH, experiment_id=0, since="", score=0.0, sigma=None
        )

    @property
    def experiments(self) -> int:
        """How many were run, baseline and replicates included."""
        return self._count

    @property
    def drifts(self) -> list[Drift]:
        """What the drift test has found."""
        return self._runs.drifts

    def offer(self, gain: float) -> bool:
        """As the engine: sentinels first; then screen the first score, then test until settled."""
        runs, rule = self._runs, self._rule
        while (kind := rerun_due(runs, self._sha, rule)) is not None:
            self._record(kind, self._sha, self._mean)
            self.sentinels += kind == "sentinel"
            self.incumbent_reruns += kind == "replicate"
        mean = self._mean - gain
        candidate = self._run("candidate", "discard", str(self._count), mean)
        promoted = self._is_promoted(candidate, mean)
        runs.add(replace(candidate, status="keep") if promoted else candidate)
        if promoted:
            self._mean, self._sha = mean, candidate.source_sha
        return promoted

    def _is_promoted(self, candidate: Experiment, mean: float) -> bool:
        runs, rule = self._runs, self._rule
        assert candidate.val_bpb is not None
        if not worth_confirming(candidate.val_bpb, runs.fresh(self._sha), runs.noise(), rule):
            return False
        while True:
            verdict = judge(candidate, runs, self._incumbent, self._sha, rule)
            if verdict.action == "confirm":
                self._record("confirmation", candidate.source_sha, mean)
                self.confirmations += 1
            elif verdict.action == "replicate":
                self._record("replicate", self._sha, self._mean)
                self.incumbent_reruns += 1
            else:
                return verdict.action == "promote"

    def _record(self, kind: Kind, sha: str, mean: float) -> None:
        self._runs.add(self._run(kind, "keep", sha, mean))

    def _run(self, kind: Kind, status: Status, sha: str, mean: float) -> Experiment:
        score = mean + self.shift + self._draw()
        self._count += 1
        return record(self._count - 1, kind, status, sha, score)


class NaiveRule:
    """Keeps a first score that beats the incumbent's by `margin` times the sigma of the baseline.

    sigma is that of 3 runs of the baseline. The score that was kept is the next one to beat.
    """

    def __init__(self, draw: Draws, margin: float) -> None:
        self.confirmations = 0
        self.incumbent_reruns = 0
        self.sentinels = 0
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


def record(number: int, kind: Kind, status: Status, sha: str, score: float | None) -> Experiment:
    """An experiment of which nothing matters but what the keep rule reads."""
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
        timing=None,
        contention=None,
        other_load=None,
        device=None,
        slot=None,
        attempt=1,
        created_at="",
        started_at=None,
        ended_at=None,
        process=None,
    )
