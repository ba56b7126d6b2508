"""How fair the `cpu` clock is: scores of one script beside a busy neighbour, and without one.

Pairs of runs with the same seed, one on the machine as it is and one beside processes that use half
of it, in turns: the second of a pair is hogged first, then idle, and so on, so that a slow drift of
the machine cancels.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import correlation, fmean, median, stdev

import anyio
import psutil
from scipy.special import chdtri, stdtrit

from engine.conditions import establish
from engine.contention import beyond
from engine.decisions import BaselineFailed, trial_seed
from engine.events import Announce
from engine.executor import Listener, TrialRequest, TrialResult
from engine.hogs import hogs
from engine.local import LocalExecutor
from engine.settings import Settings
from target import shipped

LEVEL = 0.95  # of every interval
Interval = tuple[float, float]
Done = Callable[[str], None]


@dataclass(frozen=True)
class Side:
    """The runs of one kind: scores in bits per byte, medians of what was measured outside.

    `spread` is their standard deviation and `interval` its interval for Gaussian scores. Of the
    runs, `contended` were beyond a limit of `engine.contention`.
    """

    name: str
    scores: tuple[float, ...]
    mean: float
    spread: float
    interval: Interval
    steps: float
    wall_seconds: float
    waited: float | None
    others: float | None
    contended: int

    @property
    def flagged(self) -> bool:
        """Whether a study of such runs would say that the machine is busy."""
        return beyond(self.waited, self.others)


@dataclass(frozen=True)
class Fairness:
    """Both sides, and hogged against idle: the ratio of the spreads, the shift of the mean.

    The shift is the mean of the differences within pairs, in units of the idle spread.
    """

    hogs: int
    idle: Side
    hogged: Side
    ratio: float
    ratio_interval: Interval | None
    shift: float
    shift_interval: Interval


async def measure(
    replicates: int, seconds: float, threads: int, seed: int, announce: Announce, done: Done
) -> Fairness:
    """Run `replicates` pairs of the shipped script for `seconds` of CPU time each.

    Raises BaselineFailed when a run does not score, and what `establish` raises.
    """
    settings = Settings.model_validate(
        {
            "budget": {"seconds": seconds, "clock": "cpu"},
            "slots": {"devices": "cpu", "threads": threads},
        }
    )
    conditions = await establish(settings, announce)
    source, count = shipped.read(), max(1, (psutil.cpu_count() or 1) // 2)
    sides: dict[bool, list[TrialResult]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(prefix="arl-bench-") as scratch:
        async with anyio.create_task_group() as tasks:
            executor = LocalExecutor(
                tasks, conditions.environment, conditions.confined, Path(scratch)
            )
            for number in range(replicates):
                for hogged in (number % 2 == 1, number % 2 == 0):
                    request = TrialRequest(
                        experiment_id=len(sides[False]) + len(sides[True]),
                        attempt=1,
                        source=source,
                        seed=trial_seed(seed, number),
                        budget=conditions.budget,
                        slot=conditions.slots[0],
                    )
                    with hogs(count) if hogged else nullcontext():
                        job = await executor.submit(request, Listener())
                        result = await job.result()
                    if result.val_bpb is None:
                        raise BaselineFailed(f"a run ended as {result.status}: {result.reason}")
                    sides[hogged].append(result)
                    done(f"{'hogged' if hogged else 'idle'}: val-bpb {result.val_bpb:.4f}")
    return compare(sides[False], sides[True], count)


def compare(idle: Sequence[TrialResult], hogged: Sequence[TrialResult], count: int) -> Fairness:
    """What the runs show; idle[k] and hogged[k] had the same seed."""
    quiet, busy = _side("idle", idle), _side("hogged", hogged)
    shifts = [b - a for a, b in zip(quiet.scores, busy.scores, strict=True)]
    unit = quiet.spread or math.nan
    n = len(shifts)
    half = _t(n - 1) * stdev(shifts) / math.sqrt(n)
    shift = fmean(shifts)
    return Fairness(
        hogs=count,
        idle=quiet,
        hogged=busy,
        ratio=busy.spread / unit,
        ratio_interval=ratio_interval(quiet.scores, busy.scores),
        shift=shift / unit,
        shift_interval=((shift - half) / unit, (shift + half) / unit),
    )


def spread_interval(scores: Sequence[float]) -> Interval:
    """An interval for the standard deviation of Gaussian scores, from chi-squared quantiles."""
    freedom, spread = len(scores) - 1, stdev(scores)
    tail = (1 - LEVEL) / 2
    return (
        spread * math.sqrt(freedom / float(chdtri(freedom, tail))),
        spread * math.sqrt(freedom / float(chdtri(freedom, 1 - tail))),
    )


def ratio_interval(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """An interval for the ratio of two standard deviations, second to first, of paired scores.

    Pitman's and Morgan's (Biometrika 31, 1939): equal variances are no correlation between sums and
    differences. None for fewer than three pairs, or no spread.
    """
    n = len(first)
    if n < 3 or not (stdev(first) and stdev(second)):
        return None
    square = (stdev(second) / stdev(first)) ** 2
    k = 1 + 2 * (1 - correlation(first, second) ** 2) * _t(n - 2) ** 2 / (n - 2)
    root = math.sqrt(max(0.0, k * k - 1))
    return math.sqrt(square * (k - root)), math.sqrt(square * (k + root))


def _t(freedom: int) -> float:
    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def _side(name: str, runs: Sequence[TrialResult]) -> Side:
    scores = tuple(run.val_bpb for run in runs if run.val_bpb is not None)
    waits = [run.contention for run in runs if run.contention is not None]
    loads = [run.other_load for run in runs if run.other_load is not None]
    return Side(
        name=name,
        scores=scores,
        mean=fmean(scores),
        spread=stdev(scores),
        interval=spread_interval(scores),
        steps=fmean(run.steps for run in runs),
        wall_seconds=fmean(run.wall_seconds for run in runs),
        waited=median(waits) if waits else None,
        others=median(loads) if loads else None,
        contended=sum(beyond(run.contention, run.other_load) for run in runs),
    )
