"""Self-evaluation: what a running experiment will end with, and whether that is worth waiting for.

Every experiment is watched, so that its curve teaches about later ones; only candidates are ever
aborted. What is decided is a function of the recorded experiments and of the losses that the
running one reports.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from anyio import to_thread

from engine import audits, stopping_rules
from engine.audits import Ended, Report
from engine.calibration import COVERAGE, Calibration, Finished, Forecast, Seen
from engine.curve_watch import Watch
from engine.executor import Budget
from engine.forecast import look_shares
from engine.score_words import BPB_WORDS, ScoreWords
from engine.settings import SelfEvaluation as Settings
from state.records import Look
from state.store import Store

CURVES = 200  # the newest finished curves that are learnt from


class SelfEvaluation:
    """What an epoch's curves have taught so far, and the watches of what runs."""

    def __init__(
        self,
        settings: Settings,
        budget: Budget,
        seed: int,
        ended: Sequence[Ended] = (),
        clock: Callable[[], float] = time.monotonic,
        words: ScoreWords = BPB_WORDS,
    ) -> None:
        """`ended` in the order in which they did; `words` are for the reasons of aborts."""
        self._settings = settings
        self._seed = seed
        self._budget = budget
        self._shares = look_shares(budget.seconds, budget.clock)
        self._clock = clock
        self._words = words
        self.ended: list[Ended] = list(ended)
        self._calibration: Calibration | None = None
        self._known = 0  # how many had ended when it was made

    @classmethod
    async def open(
        cls, store: Store, settings: Settings, budget: Budget, seed: int
    ) -> SelfEvaluation:
        """As the current epoch's records left it."""
        epoch_id = (await store.epochs())[-1].id
        evaluations = await store.evaluations()
        there = [
            e for e in await store.experiments() if e.id in evaluations and e.epoch_id == epoch_id
        ]
        there.sort(key=lambda e: (e.ended_at or "", e.id))
        ended = [Ended(e.source_sha, e.val_bpb, evaluations[e.id]) for e in there]
        return cls(settings, budget, seed, ended, words=ScoreWords(store.metric))

    def _explains(self, calibration: Calibration, source_sha: str, best: float) -> bool:
        """Whether the incumbent's own runs would be let through.

        They would not after a promotion that changes what the loss is, such as label smoothing:
        then earlier curves say nothing of later ones.
        """
        beyond = [
            calibration.is_beyond(self._finished(one, one.score).looks, best)
            for one in self.ended[-CURVES:]
            if one.source_sha == source_sha and one.score is not None
        ]
        return 2 * sum(beyond) <= len(beyond)

    async def learnt(self) -> None:
        """Learn from what has ended, off the event loop, before the next watch."""
        await to_thread.run_sync(self._calibrated)

    def watch(
        self,
        experiment_id: int,
        best: float | None,
        *,
        is_candidate: bool,
        incumbent_sha: str = "",
    ) -> Watch:
        """A watch for an experiment that starts now; `best` is the incumbent's mean score."""
        calibration, settings = self._calibrated(), self._settings
        learnt = calibration.curves >= settings.evidence
        if learnt and best is not None and settings.rule == "conformal":
            learnt = self._explains(calibration, incumbent_sha, best)

        def hopeless(looks: Sequence[Look], excess: float | None) -> bool:
            if settings.rule == "sprt":
                return stopping_rules.sprt(looks, settings.false_aborts)
            return stopping_rules.conformal(looks[-1], excess, calibration.bound)

        def threshold(forecast: Forecast) -> float | None:
            if best is None or not learnt:
                return None
            return stopping_rules.threshold(best, forecast, settings.alpha)

        return Watch(
            self._shares,
            calibration,
            hopeless,
            threshold,
            may_abort=settings.enabled and is_candidate,
            audit_probability=settings.audit,
            audited=audits.is_audited(self._seed, experiment_id, settings.audit),
            clock=self._clock,
            words=self._words,
        )

    def learn(self, ended: Ended) -> None:
        """Take in how a watched experiment ended."""
        self.ended.append(ended)

    def report(self) -> dict[str, Any]:
        """What it knows of itself, for people: plain values for JSON."""
        settings = self._settings
        measured = audits.report(self.ended)
        curves = sum(one.score is not None for one in self.ended)
        state = "off" if not settings.enabled else "on"
        few = self._calibration is not None and math.isinf(self._calibration.bound)
        if settings.enabled and (curves < settings.evidence or few):
            state = "learning"
        saved = sum(
            1 - (one.evaluation.condemned_at or 0)
            for one in self.ended
            if one.evaluation.condemned_at is not None and not one.evaluation.audited
        )
        return {
            "state": state,
            "sentence": self._sentence(state, curves, measured),
            "curves": curves,
            "needed": settings.evidence,
            "aborted": measured.aborted,
            "audited": measured.audited,
            "false_aborts": measured.false_aborts,
            "false_aborts_low": measured.low,
            "false_aborts_high": measured.high,
            "promised": settings.false_aborts,
            "coverage": measured.coverage,
            "coverage_promised": COVERAGE,
            "saved_hours": self._hours(saved),
        }

    def _hours(self, budgets: float) -> float | None:
        """Hours of training that so many budgets are; None with the clock `steps`."""
        if self._budget.clock == "steps":
            return None
        return round(budgets * self._budget.seconds / 3600, 3)

    def _sentence(self, state: str, curves: int, measured: Report) -> str:
        if state == "off":
            return "Nothing is aborted: self-evaluation is off"
        if state == "learning":
            needed = self._settings.evidence
            if curves >= needed:
                return "Too few runs have ended well to promise anything: nothing is aborted yet"
            return f"{curves} of {needed} finished curves are known: nothing is aborted yet"
        aborted = measured.aborted
        if measured.false_aborts is None:
            return f"{aborted} aborted; none of the hopeless has been let run yet to check"
        return (
            f"{aborted} aborted; of the good runs an estimated {measured.false_aborts:.0%} is "
            f"lost ({measured.low:.0%} to {measured.high:.0%}; promised: at most "
            f"{self._settings.false_aborts:.0%})".replace("%", " %")
        )

    def _calibrated(self) -> Calibration:
        """In a thread or not: what ends meanwhile is seen the next time."""
        runs, calibration = tuple(self.ended), self._calibration
        if calibration is None or self._known != len(runs):
            calibration = self._calibrate(runs)
            self._calibration, self._known = calibration, len(runs)
        return calibration

    def _calibrate(self, runs: Sequence[Ended]) -> Calibration:
        level = audits.level_now(runs, self._settings.false_aborts)
        finished = [self._finished(one, one.score) for one in runs if one.score is not None]
        return Calibration(finished[-CURVES:], len(self._shares), level)

    def _finished(self, one: Ended, score: float) -> Finished:
        looks: list[Seen] = [None] * len(self._shares)
        for look in one.evaluation.looks:
            number = round(look.progress / self._shares[0]) - 1
            if 0 <= number < len(looks):
                looks[number] = (look.level, look.tail)
        audited = one.evaluation.audited
        weight = 1.0 / (one.evaluation.audit_probability or 1.0) if audited else 1.0
        return Finished(one.source_sha, score, tuple(looks), weight)
