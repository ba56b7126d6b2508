"""Replays recorded studies with and without early aborts: what the aborts save, and what they cost.

A replay draws recorded runs in a random order, the script as it is given first, and goes on until
as much training as a fixed number of whole budgets is spent. The best score so far is the one to
beat. Every rule sees the same orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from engine.executor import Budget
from engine.pruners import NoPruner, OptunaPruner, OurPruner, Pruner
from engine.recorded_curves import RecordedRun
from engine.settings import SelfEvaluation

_BASELINES = 3
_SHARE = 0.55  # of the recorded runs that a replay without aborts uses up


@dataclass(frozen=True)
class Row:
    """A rule over all replays.

    `speed` is how many experiments it got through per unit of training, in those without aborts,
    and `slowest` that of the worst replay. `later` is the speed after the runs that the rule needs
    as evidence: what a long study comes to. `good` runs would have ended below the best score of
    the time, of which `false` were aborted. The same recorded run comes up in many replays:
    `good_runs` and `false_runs` count different ones. `worse` is by how much the best score found
    lies above the one found without aborts, in bits per byte: the mean, and `worst` the worst
    replay's.
    """

    rule: str
    replays: int
    experiments: float
    aborted: float
    speed: float
    slowest: float
    later: float
    good: int
    false: int
    worse: float
    worst: float
    good_runs: int
    false_runs: int


def rules(budget: Budget, settings: SelfEvaluation) -> dict[str, Callable[[int], Pruner]]:
    """The rules by name; each makes a pruner from a replay's number."""
    sprt = settings.model_copy(update={"rule": "sprt"})
    made: dict[str, Callable[[int], Pruner]] = {
        "none": lambda seed: NoPruner(),
        "conformal": lambda seed: OurPruner(settings, budget, seed),
        "sprt": lambda seed: OurPruner(sprt, budget, seed),
    }
    try:
        from optuna import pruners
    except ImportError:
        return made

    def median(seed: int) -> Pruner:
        chosen = pruners.MedianPruner(n_startup_trials=settings.evidence)
        return OptunaPruner(chosen, budget)

    def halving(seed: int) -> Pruner:
        return OptunaPruner(pruners.SuccessiveHalvingPruner(), budget)

    return made | {"median": median, "halving": halving}


def replay_all(
    runs: Sequence[RecordedRun], replays: int, seed: int, settings: SelfEvaluation | None = None
) -> Iterator[Row]:
    """Every rule, one row each as it is done. The same arguments, the same rows."""
    scored = [run for run in runs if run.score is not None]
    budget = Budget(scored[0].budget, "cpu")
    settings = settings or SelfEvaluation()
    orders = [_order(scored, seed + number) for number in range(replays)]
    total = _SHARE * len(scored)
    without: list[_Replayed] = []
    for name, make in rules(budget, settings).items():
        done = [
            _replay(order, total, make(seed + n), settings.evidence)
            for n, order in enumerate(orders)
        ]
        without = without or done
        yield _row(name, done, without)


@dataclass
class _Replayed:
    experiments: int = 0
    spent: float = 0.0
    early: int = 0  # experiments that served as evidence
    early_spent: float = 0.0
    aborted: int = 0
    good: int = 0
    false: int = 0
    best: float = float("inf")
    good_runs: set[int] = field(default_factory=set)
    false_runs: set[int] = field(default_factory=set)

    @property
    def rate(self) -> float:
        return self.experiments / self.spent

    @property
    def later_rate(self) -> float:
        return (self.experiments - self.early) / (self.spent - self.early_spent)


def _replay(order: Sequence[RecordedRun], total: float, pruner: Pruner, evidence: int) -> _Replayed:
    done = _Replayed()
    for number, run in enumerate(order):
        if done.spent >= total:
            break
        assert run.score is not None
        before = done.best
        share = pruner.run(number, run.source, run.curve, run.score, before)
        done.experiments += 1
        done.spent += share
        if done.experiments <= evidence:
            done.early, done.early_spent = done.experiments, done.spent
        good = not run.is_baseline and run.score <= before
        done.good += good
        if good:
            done.good_runs.add(id(run))
        if share < 1:
            done.aborted += 1
            done.false += good
            if good:
                done.false_runs.add(id(run))
        else:
            done.best = min(done.best, run.score)
    return done


def _order(runs: Sequence[RecordedRun], seed: int) -> list[RecordedRun]:
    shuffled = [runs[n] for n in np.random.default_rng(seed).permutation(len(runs))]
    given = [run for run in shuffled if run.is_baseline][:_BASELINES]
    return given + [run for run in shuffled if not run.is_baseline]


def _row(name: str, done: Sequence[_Replayed], without: Sequence[_Replayed]) -> Row:
    speeds = [ours.rate / other.rate for ours, other in zip(done, without, strict=True)]
    worse = [ours.best - other.best for ours, other in zip(done, without, strict=True)]
    return Row(
        rule=name,
        replays=len(done),
        experiments=fmean(one.experiments for one in done),
        aborted=fmean(one.aborted for one in done),
        speed=fmean(speeds),
        slowest=min(speeds),
        later=fmean(one.later_rate for one in done),
        good=sum(one.good for one in done),
        false=sum(one.false for one in done),
        worse=fmean(worse),
        worst=max(worse),
        good_runs=len(set[int]().union(*(one.good_runs for one in done))),
        false_runs=len(set[int]().union(*(one.false_runs for one in done))),
    )
