"""Rules that stop running experiments early, behind one face: ours, and Optuna's for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from engine.audits import Ended
from engine.curve_watch import Watch
from engine.executor import Budget
from engine.forecast import SmoothedCurve, look_shares
from engine.selfeval import SelfEvaluation
from engine.settings import SelfEvaluation as Settings

if TYPE_CHECKING:
    import optuna

Curve = Sequence[tuple[float, float]]
"""Points of (progress, loss)."""


class Pruner(Protocol):
    """Goes through the experiments of one study, one after the other."""

    audits: int  # hopeless experiments that were let run to their end

    def run(self, number: int, source: str, curve: Curve, score: float, best: float) -> float:
        """Replay an experiment; the share of its budget that it got, 1.0 for all of it.

        `score` is seen by the rule only when that is 1.0. `best` is the best score so far.
        """
        ...


class NoPruner:
    """Lets everything run."""

    audits = 0

    def run(self, number: int, source: str, curve: Curve, score: float, best: float) -> float:
        """All of it."""
        return 1.0


class OurPruner:
    """Self-evaluation as the engine uses it."""

    def __init__(self, settings: Settings, budget: Budget, seed: int) -> None:
        self.audits = 0
        self._best_source = ""
        self._evaluation = SelfEvaluation(settings, budget, seed)

    def run(self, number: int, source: str, curve: Curve, score: float, best: float) -> float:
        """Feed the losses to a watch, as a running trial would."""
        watch = self._evaluation.watch(
            number, best, is_candidate=source != "given", incumbent_sha=self._best_source
        )
        for progress, loss in curve:
            if watch.report(progress, loss):
                return self._aborted(watch, source)
        evaluation = watch.finish()
        if score < best:
            self._best_source = source
        if evaluation is not None:
            self.audits += evaluation.audited
            self._evaluation.learn(Ended(source, score, evaluation))
        return 1.0

    def _aborted(self, watch: Watch, source: str) -> float:
        evaluation = watch.evaluation()
        assert evaluation is not None
        self._evaluation.learn(Ended(source, None, evaluation))
        return evaluation.looks[-1].progress


class OptunaPruner:
    """One of Optuna's pruners, shown the fitted level of the loss at the same looks."""

    def __init__(self, pruner: optuna.pruners.BasePruner, budget: Budget) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.audits = 0
        self._shares = look_shares(budget.seconds, budget.clock)
        self._study = optuna.create_study(pruner=pruner)

    def run(self, number: int, source: str, curve: Curve, score: float, best: float) -> float:
        """Report the level at each look, until the pruner says stop."""
        import optuna

        trial = self._study.ask()
        smoothed, left = SmoothedCurve(), list(self._shares)
        for progress, loss in curve:
            while left and progress > left[0]:
                seen = smoothed.look(left[0])
                if seen is not None:
                    trial.report(seen[0], len(self._shares) - len(left) + 1)
                    if trial.should_prune() and source != "given":
                        self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                        return left[0]
                del left[0]
            smoothed.add(progress, loss)
        self._study.tell(trial, score)
        return 1.0
