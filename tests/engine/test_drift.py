"""The drift test: what it takes for a drift, what follows from one, and how often it is wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.acceptance import Verdict, judge
from engine.drift import FOLLOW_UPS, DriftScan, Residuals
from engine.drift_bench import simulate_drifts
from engine.keepers import Draws, KeepRule, record
from engine.runs import Runs
from engine.settings import Acceptance
from state.records import Experiment, Incumbent, Kind

RULE = Acceptance()
INCUMBENT = Incumbent(seq=1, epoch_id=1, experiment_id=0, since="", score=2.0, sigma=0.01)
STEADY = [2.0, 2.01, 1.99, 2.006, 1.994, 2.012, 1.988, 2.0]  # sigma about 0.01
LOWER = [1.95, 1.96, 1.94, 1.956]  # the same source after a drift of five sigma


class Records:
    """A study whose target `base` has had these runs."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.all: list[Experiment] = []
        for score in scores:
            self.add("sentinel" if self.all else "baseline", "base", score)

    def add(self, kind: Kind, sha: str, score: float | None) -> Experiment:
        status = "crash" if score is None else "discard"
        self.all.append(record(len(self.all), kind, status, sha, score))
        return self.all[-1]

    def runs(self, drift: float = RULE.drift) -> Runs:
        return Runs(self.all, 1, drift)

    def judge(self, candidate: Experiment, incumbent: str = "base") -> Verdict:
        return judge(candidate, self.runs(), INCUMBENT, incumbent, RULE)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_is_found_where_it_is_and_told_with_numbers(sign: int) -> None:
    after = [2.0 + sign * (2.0 - score) for score in LOWER]
    records = Records(STEADY + after[:3])
    assert not records.runs().drifts
    records.add("sentinel", "base", after[3])
    (drift,) = records.runs().drifts
    assert (drift.last_id, drift.first_id, drift.found_id) == (7, 8, 11)
    assert drift.shift == pytest.approx(sign * 0.0485)
    assert 4 < drift.shift * sign / drift.sigma < 7
    assert f"moved by {sign * 0.0485:+.4f} (5." in drift.told()
    assert "since #7: 4 runs of the incumbent against 8 before" in drift.told()


def test_without_a_level_there_is_no_test() -> None:
    records = Records(STEADY + LOWER)
    assert not records.runs(drift=0).drifts
    assert records.runs(drift=0).suspected("base") == 0


def test_one_wild_run_makes_no_drift() -> None:
    # Sigma is 1, well known from other sources: the mean of the last four moves by 5.
    scores = [(-1.0) ** number for number in range(20)] + [1.0, 20.0, -1.0, 0.0]
    scan = DriftScan(0.01)
    squares = 100.0 + sum((score - sum(scores) / 24) ** 2 for score in scores)
    found = [scan.add(n, "base", score, Residuals(squares, 123)) for n, score in enumerate(scores)]
    assert found == [None] * 24


def test_without_any_noise_every_lasting_change_is_one() -> None:
    assert not Records([2.0] * 12).runs().drifts
    assert Records([2.0] * 5 + [1.9999] * 4).runs().drifts


def test_scores_of_candidates_and_their_re_runs_make_no_drift() -> None:
    records = Records(STEADY)
    for number in range(12):
        records.add("candidate", f"c{number}", 1.9)
        records.add("confirmation", "same", 1.9 if number < 6 else 2.1)
    assert not records.runs().drifts


def after_a_promotion(shift: float) -> Runs:
    records = Records(STEADY)
    for score in (1.905, 1.895, 1.9, 1.898):
        records.add("confirmation", "better", score)
    for score in (1.902, 1.895, 1.9, 1.905):
        records.add("sentinel", "better", score + shift)
    return records.runs()


def test_confirmations_are_the_runs_before_a_drift_to_lower_scores_alone() -> None:
    (drift,) = after_a_promotion(-0.05).drifts
    assert drift.before == 4
    assert drift.shift == pytest.approx(-0.049)
    # They were low when they were chosen: that later runs are higher shows no drift.
    assert not after_a_promotion(+0.05).drifts


def test_later_looks_need_more_and_those_of_earlier_epochs_count() -> None:
    def found(looks_before: int) -> bool:
        scan = DriftScan(0.01)
        for _ in range(looks_before):
            scan.skip()
        scores = [0.0, 1.0, -1.0, 0.5, -0.5, 4.0, 5.0, 4.5, 4.5]
        noise = Residuals(52.5, 20)
        return any(scan.add(n, "base", score, noise) for n, score in enumerate(scores))

    assert found(0)
    assert not found(10_000)


def test_after_a_drift_only_the_new_segment_counts() -> None:
    records = Records(STEADY + LOWER)
    runs = records.runs()
    assert runs.fresh("base") == LOWER
    assert runs.fresh("base", 0) == STEADY
    noise = runs.noise()
    assert noise is not None
    assert noise.freedom == 7 + 3
    assert noise.sigma < 0.012  # the step itself is no noise


def test_a_candidate_from_before_a_drift_is_run_again_and_its_reason_says_so() -> None:
    records = Records(STEADY)
    candidate = records.add("candidate", "new", 1.95)
    records.add("confirmation", "new", 1.951)
    for score in LOWER:
        records.add("replicate", "base", score)
    assert records.runs().drifts
    verdict = records.judge(candidate)
    assert verdict.action == "confirm"
    assert "before a drift" in verdict.reason
    for score in (1.951, 1.955, 1.949, 1.95):
        if records.judge(candidate).action != "confirm":
            break
        records.add("confirmation", "new", score)
    verdict = records.judge(candidate)
    while verdict.action == "replicate":
        records.add("replicate", "base", 1.95)
        verdict = records.judge(candidate)
    assert verdict.action == "reject"
    assert verdict.reason.endswith("compared across a drift")


def test_an_incumbent_without_a_run_since_a_drift_is_measured_first() -> None:
    records = Records(STEADY)
    for _ in range(2):
        records.add("confirmation", "better", 1.90)
    for score in LOWER:
        records.add("sentinel", "base", score)
    candidate = records.add("candidate", "new", 1.80)
    assert records.judge(candidate, incumbent="better").action == "replicate"


def test_what_a_drift_makes_look_like_a_gain_is_not_promoted() -> None:
    records = Records(STEADY)
    candidate = records.add("candidate", "new", 1.965)  # all scores are 3.5 sigma lower now
    fresh, beside = iter([1.966, 1.96, 1.97, 1.965] * 3), iter([1.97, 1.96, 1.967, 1.965] * 5)
    asked: list[str] = []
    while (verdict := records.judge(candidate)).action in ("confirm", "replicate"):
        asked.append(verdict.action)
        if verdict.action == "confirm":
            records.add("confirmation", "new", next(fresh))
        else:
            records.add("replicate", "base", next(beside))
    assert verdict.action == "reject"
    assert "replicate" in asked


def test_a_suspicion_ends_when_the_next_runs_are_as_before() -> None:
    records = Records([*STEADY, 1.95])
    assert records.runs().suspected("base") == 1
    for score in STEADY[:FOLLOW_UPS]:
        records.add("replicate", "base", score)
    assert records.runs().suspected("base") == 0


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1 << 32),
    shift=st.floats(-8, 8),
    onset=st.integers(3, 20),
    order=st.randoms(use_true_random=False),
)
def test_what_was_found_stays_in_whatever_order_runs_end(
    seed: int, shift: float, onset: int, order: random.Random
) -> None:
    draw = random.Random(seed).gauss
    records = Records([])
    for number in range(26):
        kind: Kind = "confirmation" if number % 4 == 3 else "sentinel" if number else "baseline"
        score = draw(0, 1) + shift * (number >= onset)
        records.add(kind, "c" if number % 4 == 3 else "base", score)
    ends = list(range(26))
    for _ in range(8):  # some end a little out of turn
        place = order.randrange(25)
        ends[place], ends[place + 1] = ends[place + 1], ends[place]
    ended = [replace(run, ended_at=f"{ends[run.id]:03}") for run in records.all]
    before: list[object] = []
    for time in range(26):
        known = [
            run if ends[run.id] <= time else replace(run, status="running", val_bpb=None)
            for run in ended
        ]
        known = [run if run.val_bpb is not None else replace(run, ended_at=None) for run in known]
        found = Runs(known, 1, RULE.drift).drifts
        assert found[: len(before)] == before
        before = list(found)


def test_simulated_drifts_are_found_and_none_where_there_is_none() -> None:
    rows = {(row.noise, row.shift): row for row in simulate_drifts(30, 60, seed=2)}
    assert len(rows) == 18
    for noise in ("gaussian", "t(4)"):
        steady, large = rows[noise, 0.0], rows[noise, -5.0]  # type: ignore[index]
        assert steady.alarms + steady.found <= 1 / 30
        assert steady.alarm_bound is not None
        assert large.found > 0.8
        assert large.delay is not None
        assert large.delay < 15
        assert large.false < 0.2 < 0.9 < large.false_without
    again = list(simulate_drifts(4, 20, seed=2))
    assert again == list(simulate_drifts(4, 20, seed=2))


def test_false_alarms_are_rare() -> None:
    alarms = 0
    for study in range(120):
        keeper = KeepRule(Draws("t(4)" if study % 2 else "gaussian", 3, study), RULE)
        for _ in range(100):
            keeper.offer(0.0)
        alarms += bool(keeper.drifts)
    assert alarms <= 3  # a level of 1 % makes more than that once in thirty times
