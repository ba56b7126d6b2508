"""Self-evaluation of running experiments: what is aborted, what never is, and what is recorded."""

from __future__ import annotations

import numpy as np
import pytest

from engine.audits import Ended
from engine.curve_watch import Watch
from engine.executor import Budget
from engine.selfeval import SelfEvaluation
from engine.settings import SelfEvaluation as Settings

BUDGET = Budget(300.0, "wall")
BEST = 2.40
NEVER, ALWAYS = Settings(audit=1e-9), Settings(audit=1.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def losses(score: float, seed: int) -> list[tuple[float, float]]:
    """A curve that leads to a score, in bits per byte."""
    dice = np.random.default_rng(seed)
    end = 1.8 * score
    return [
        (n / 100, end + 0.4 * (n / 100 + 0.02) ** -0.5 - 0.4 + 0.02 * float(dice.standard_normal()))
        for n in range(1, 100)
    ]


def play(watch: Watch, curve: list[tuple[float, float]]) -> str | None:
    for progress, loss in curve:
        reason = watch.report(progress, loss)
        if reason:
            return reason
    return None


def taught(settings: Settings, count: int = 40) -> SelfEvaluation:
    evaluation = SelfEvaluation(settings, BUDGET, 5)
    dice = np.random.default_rng(1)
    for number in range(count):
        score = BEST + 0.05 * abs(float(dice.standard_normal()))
        watch = evaluation.watch(number, BEST, is_candidate=False)
        play(watch, losses(score, number))
        seen = watch.finish()
        assert seen is not None
        evaluation.learn(Ended(str(number), score, seen))
    return evaluation


def test_a_hopeless_candidate_is_aborted_early_with_the_numbers() -> None:
    watch = taught(NEVER).watch(100, BEST, is_candidate=True)
    reason = play(watch, losses(3.0, 100))
    assert reason is not None
    assert reason.startswith("hopeless at ")
    assert "threshold 2.4000" in reason
    seen = watch.evaluation()
    assert seen is not None
    assert seen.condemned_at is not None
    assert seen.condemned_at <= 0.5
    assert not seen.audited
    assert seen.looks[-1].progress == seen.condemned_at
    assert seen.looks[-1].forecast == pytest.approx(3.0, abs=0.2)


def test_a_good_candidate_runs_to_its_end_and_its_forecasts_are_recorded() -> None:
    watch = taught(NEVER).watch(100, BEST, is_candidate=True)
    assert play(watch, losses(2.39, 100)) is None
    seen = watch.finish()
    assert seen is not None
    assert seen.condemned_at is None
    assert len(seen.looks) == 9
    last = seen.looks[-1]
    assert last.forecast == pytest.approx(2.39, abs=0.03)
    assert last.threshold == pytest.approx(BEST)


def test_what_sparse_reports_show_only_at_the_end_condemns_nothing() -> None:
    watch = taught(NEVER).watch(100, BEST, is_candidate=True)
    sparse = [point for point in losses(3.0, 100) if point[0] in (0.03, 0.05, 0.07, 0.09, 0.97)]
    assert play(watch, sparse) is None
    seen = watch.finish()
    assert seen is not None
    assert seen.looks
    assert seen.condemned_at is None


def test_when_the_incumbents_own_curves_look_hopeless_nothing_is_aborted() -> None:
    evaluation = taught(NEVER, 120)
    for number in range(2):  # its loss is of another kind
        watch = evaluation.watch(200 + number, BEST, is_candidate=False)
        play(watch, [(progress, loss + 1.0) for progress, loss in losses(2.38, number)])
        seen = watch.finish()
        assert seen is not None
        evaluation.learn(Ended("smoothed", 2.38, seen))
    for source, best, aborts in (("smoothed", 2.38, False), ("0", evaluation.ended[0].score, True)):
        watch = evaluation.watch(100, best, is_candidate=True, incumbent_sha=source)
        assert bool(play(watch, losses(3.0, 100))) is aborts


def test_an_audited_one_is_condemned_and_runs_on() -> None:
    watch = taught(ALWAYS).watch(100, BEST, is_candidate=True)
    assert play(watch, losses(3.0, 100)) is None
    seen = watch.finish()
    assert seen is not None
    assert seen.audited
    assert seen.audit_probability == 1.0
    assert seen.condemned_at is not None


def test_nothing_else_is_ever_aborted() -> None:
    evaluation = taught(NEVER)
    assert play(evaluation.watch(100, BEST, is_candidate=False), losses(3.0, 100)) is None
    assert play(evaluation.watch(101, None, is_candidate=True), losses(3.0, 100)) is None
    off = taught(Settings(enabled=False))
    assert play(off.watch(100, BEST, is_candidate=True), losses(3.0, 100)) is None


def test_before_there_is_evidence_nothing_is_aborted() -> None:
    evaluation = taught(NEVER, 29)
    assert evaluation.report()["state"] == "learning"
    assert play(evaluation.watch(100, BEST, is_candidate=True), losses(3.0, 100)) is None
    assert taught(NEVER, 30).report()["state"] == "on"


def test_divergence_needs_no_evidence_but_a_candidate() -> None:
    away = [*losses(2.4, 1)[:30], (0.4, 30.0)]
    reason = play(SelfEvaluation(NEVER, BUDGET, 5).watch(1, None, is_candidate=True), away)
    assert reason == "diverged: the loss is 30.00 nats at 40% of the budget"
    assert play(SelfEvaluation(NEVER, BUDGET, 5).watch(1, None, is_candidate=False), away) is None


def test_a_silent_experiment_has_stalled_if_it_used_to_report() -> None:
    clock = Clock()
    evaluation = SelfEvaluation(NEVER, BUDGET, 5, clock=clock)
    watch = evaluation.watch(1, None, is_candidate=True)
    never = evaluation.watch(2, None, is_candidate=True)
    for progress, loss in losses(2.4, 1)[:10]:
        clock.now += 5.0
        assert watch.report(progress, loss) is None
    clock.now += 99.0
    assert watch.stalled() is None  # twenty times its longest wait is 100 s
    clock.now += 2.0
    assert watch.stalled() == "stalled: no report for 101 s, after one every 5.0 s at most"
    assert never.stalled() is None


def test_a_script_that_reports_nothing_leaves_no_trace() -> None:
    watch = SelfEvaluation(NEVER, BUDGET, 5).watch(1, BEST, is_candidate=True)
    assert watch.finish() is None


def test_what_is_learnt_again_from_the_records_decides_alike() -> None:
    first = taught(NEVER)
    again = SelfEvaluation(NEVER, BUDGET, 5, first.ended)
    for number in range(100, 110):
        curve = losses(BEST + 0.02 * (number - 100), number)
        watches = [one.watch(number, BEST, is_candidate=True) for one in (first, again)]
        assert play(watches[0], curve) == play(watches[1], curve)
        assert watches[0].evaluation() == watches[1].evaluation()


def test_the_report_says_what_was_aborted_saved_and_measured() -> None:
    evaluation = taught(ALWAYS)
    for number, score in enumerate([3.0] * 4 + [2.38] * 3, start=100):
        watch = evaluation.watch(number, BEST, is_candidate=True)
        play(watch, losses(score, number))
        seen = watch.finish()
        assert seen is not None
        evaluation.learn(Ended(str(number), score, seen))
    report = evaluation.report()
    assert report["audited"] == 4
    assert report["aborted"] == 0
    assert report["false_aborts"] == 0
    assert report["coverage"] > 0.5
    assert "promised: at most 5 %" in report["sentence"]
