"""The keep rule: what it promotes, what it rejects, what it asks for, and how often it errs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.acceptance import Verdict, judge, worth_confirming
from engine.acceptance_bench import simulate, upper_bound
from engine.keepers import Draws, KeepRule, record
from engine.runs import Noise, Runs
from engine.settings import Acceptance
from state.records import Experiment, Incumbent, Kind, Status

RULE = Acceptance()
WITHOUT = Acceptance(drift=0)  # nor runs of the incumbent beside a candidate
INCUMBENT = Incumbent(seq=1, epoch_id=1, experiment_id=0, since="", score=2.0, sigma=0.01)
# Two sources' scores in the order of their runs: mean 2.0, and a spread of about 0.01.
BASELINE = [2.0, 2.01, 1.99, 2.006, 1.994, 2.012, 1.988, 2.0]
TEMPLATE = record(0, "candidate", "discard", "", None)


class Records:
    """The recorded experiments of a study whose target is the source `base`."""

    def __init__(self, baseline: Sequence[float] = BASELINE[:3]) -> None:
        self.all: list[Experiment] = []
        for score in baseline:
            self.add("replicate" if self.all else "baseline", "base", score)

    def add(
        self,
        kind: Kind,
        sha: str,
        score: float | None,
        status: Status = "discard",
        epoch: int = 1,
    ) -> Experiment:
        experiment = replace(
            TEMPLATE,
            id=len(self.all),
            epoch_id=epoch,
            kind=kind,
            source_sha=sha,
            val_bpb=score,
            status=status,
        )
        self.all.append(experiment)
        return experiment

    def confirm(self, sha: str, *scores: float) -> None:
        for score in scores:
            self.add("confirmation", sha, score)

    def judge(
        self, candidate: Experiment, incumbent: str = "base", rule: Acceptance = RULE
    ) -> Verdict:
        return judge(candidate, Runs(self.all, 1, rule.drift), INCUMBENT, incumbent, rule)


def test_a_first_score_is_never_promoted_as_measured() -> None:
    records = Records(BASELINE)
    assert records.judge(records.add("candidate", "new", 1.0)).action == "confirm"
    records.confirm("new", 2.01)
    assert records.judge(records.all[-2]).action == "reject"


def test_an_overwhelming_gain_costs_two_runs_and_two_of_the_incumbent_beside_it() -> None:
    records = Records([2.0, 2.01, 1.99])
    candidate = records.add("candidate", "new", 1.72)  # 28 sigma
    beside = iter(BASELINE[3:])
    asked = []
    while (verdict := records.judge(candidate)).action != "promote":
        asked.append(verdict.action)
        if verdict.action == "confirm":
            records.confirm("new", 1.72 + 0.01 * (-1) ** len(asked))
        else:
            records.add("replicate", "base", next(beside))
    assert asked == ["confirm", "confirm", "replicate", "replicate"]
    assert verdict.score == pytest.approx(1.72)
    assert "2 fresh runs" in verdict.reason
    assert "sigma" in verdict.reason


def test_without_a_drift_test_nothing_is_run_beside_it() -> None:
    records = Records([2.0, 2.01, 1.99])
    candidate = records.add("candidate", "new", 1.72)
    records.confirm("new", 1.72, 1.73)
    assert records.judge(candidate, rule=WITHOUT).action == "promote"
    assert records.judge(candidate).action == "replicate"


@pytest.mark.parametrize("gain", [-0.02, 0.0, 0.002])
def test_the_screen_turns_down_what_is_within_the_noise(gain: float) -> None:
    scores = BASELINE
    noise = Noise(0.01, 7)
    assert not worth_confirming(2.0 - gain, scores, noise, RULE)
    records = Records(scores)
    assert records.judge(records.add("candidate", "new", 2.0 - gain)).action == "reject"


def test_a_rough_incumbent_is_measured_before_a_borderline_candidate_is_run_again() -> None:
    records = Records([2.0, 2.01, 1.99])
    candidate = records.add("candidate", "new", 1.985)  # 1.5 sigma
    assert worth_confirming(1.985, [2.0, 2.01, 1.99], Noise(0.01, 2), RULE)
    further = iter(BASELINE[3:])
    while (verdict := records.judge(candidate)).action == "replicate":
        records.add("replicate", "base", next(further))
    assert verdict.action == "confirm"
    assert 3 < len(Runs(records.all, 1).fresh("base")) <= RULE.incumbent_runs


def test_a_borderline_candidate_goes_when_the_incumbent_turns_out_better() -> None:
    records = Records([2.0, 2.01, 1.99])
    candidate = records.add("candidate", "new", 1.985)
    for score in (1.98, 1.985, 1.99, 1.985, 1.98):
        records.add("replicate", "base", score)
    assert records.judge(candidate).action == "reject"


def test_a_moderate_gain_takes_more_runs_of_both_and_is_promoted() -> None:
    records = Records([2.0, 2.01, 1.99])
    candidate = records.add("candidate", "new", 1.965)
    fresh, more = iter([1.97, 1.966, 1.974, 1.968]), iter(BASELINE[3:])
    asked = []
    while (verdict := records.judge(candidate)).action in ("confirm", "replicate"):
        asked.append(verdict.action)
        if verdict.action == "confirm":
            records.confirm("new", next(fresh))
        else:
            records.add("replicate", "base", next(more))
    assert verdict.action == "promote"
    assert asked.count("confirm") <= RULE.max_confirmations
    assert 0 < asked.count("replicate") <= RULE.incumbent_runs - 3


def test_a_gain_within_the_noise_ends_as_such() -> None:
    records = Records(BASELINE)
    candidate = records.add("candidate", "new", 1.97)
    records.confirm("new", 1.985, 1.99, 1.98, 1.985)
    verdict = records.judge(candidate)
    assert verdict.action == "reject"
    assert "4 fresh runs" in verdict.reason
    assert "within the noise (needs " in verdict.reason


def test_a_hopeless_candidate_is_dropped_after_one_run() -> None:
    records = Records(BASELINE)
    candidate = records.add("candidate", "new", 1.96)
    records.confirm("new", 2.005)
    assert records.judge(candidate).action == "reject"


def test_one_fresh_run_alone_promotes_nothing() -> None:
    records = Records(BASELINE)
    candidate = records.add("candidate", "new", 1.0)
    records.confirm("new", 1.0)
    assert records.judge(candidate).action == "confirm"


def test_failing_confirmations() -> None:
    records = Records(BASELINE)
    candidate = records.add("candidate", "new", 1.9)
    records.add("confirmation", "new", None, "crash")
    assert records.judge(candidate).action == "confirm"
    records.add("confirmation", "new", None, "oom")
    assert records.judge(candidate) == Verdict("reject", "its re-runs failed")


def test_an_incumbent_that_fails_is_not_run_for_ever() -> None:
    records = Records([2.0, 2.01, 1.99])
    records.add("replicate", "base", None, "crash")
    records.add("replicate", "base", None, "timeout")
    candidate = records.add("candidate", "new", 1.985)
    records.confirm("new", 1.97, 1.965, 1.96, 1.955)
    assert records.judge(candidate).action in ("promote", "reject")


@pytest.mark.parametrize("status", ["queued", "running", "interrupted"])
@pytest.mark.parametrize(("kind", "sha"), [("confirmation", "new"), ("replicate", "base")])
def test_runs_under_way_are_awaited(kind: Kind, sha: str, status: Status) -> None:
    records = Records(BASELINE)
    candidate = records.add("candidate", "new", 1.9)
    records.add(kind, sha, None, status)
    assert records.judge(candidate).action == "wait"


def test_after_the_incumbent_was_replaced_the_new_one_is_the_measure() -> None:
    records = Records(BASELINE)
    candidate = records.add("candidate", "new", 1.95)
    records.confirm("new", 1.951, 1.949, 1.95)
    assert records.judge(candidate, rule=WITHOUT).action == "promote"
    records.add("candidate", "other", 1.9, "keep")
    records.confirm("other", 1.9, 1.91)
    assert records.judge(candidate, incumbent="other").action == "reject"


def test_what_became_the_incumbent_meanwhile_is_not_promoted_again() -> None:
    records = Records(BASELINE)
    records.add("candidate", "new", 1.9, "keep")
    records.confirm("new", 1.9, 1.91)
    again = records.add("candidate", "new", 1.7)
    assert records.judge(again, incumbent="new").action == "reject"


def test_scores_of_another_epoch_count_for_nothing() -> None:
    records = Records(BASELINE)
    old = records.add("candidate", "new", 1.5, epoch=2)
    assert records.judge(old).action == "reject"
    for _ in range(3):
        records.add("confirmation", "new", 1.5, epoch=2)
    records.add("replicate", "base", 9.0, epoch=2)
    candidate = records.add("candidate", "new", 1.9)
    assert Runs(records.all, 1).fresh("base") == BASELINE
    assert records.judge(candidate).action == "confirm"


def test_a_candidate_without_a_score_is_rejected() -> None:
    records = Records(BASELINE)
    assert records.judge(records.add("candidate", "new", None, "crash")).action == "reject"


def test_without_any_noise_every_repeated_gain_counts() -> None:
    records = Records([2.0, 2.0, 2.0])
    candidate = records.add("candidate", "new", 1.999)
    assert records.judge(candidate).action == "confirm"
    records.confirm("new", 1.999, 1.999)
    assert records.judge(candidate).action == "replicate"
    for _ in range(2):
        records.add("replicate", "base", 2.0)
    assert records.judge(candidate).action == "promote"


def test_an_unknown_noise_is_measured_first() -> None:
    records = Records([2.0])
    candidate = records.add("candidate", "new", 1.5)
    assert Runs(records.all, 1).noise() is None
    assert worth_confirming(1.5, [2.0], None, RULE)
    records.confirm("new", 1.5)
    assert records.judge(candidate).action in ("confirm", "replicate")


def test_sigma_is_pooled_over_re_run_sources() -> None:
    records = Records([1.0, 3.0])  # squares 2, one degree of freedom
    records.add("candidate", "new", -100.0)
    records.confirm("new", 4.0, 6.0, 8.0)  # squares 8, two
    noise = Runs(records.all, 1).noise()
    assert noise is not None
    assert noise.sigma == pytest.approx((10 / 3) ** 0.5)
    assert noise.freedom == 3


def test_later_tests_need_more_and_promotions_are_free() -> None:
    def after(tests: int, status: Status) -> str:
        records = Records(BASELINE)
        for number in range(tests):
            records.add("candidate", f"old{number}", 1.9, status)
            records.confirm(f"old{number}", 2.0)
        candidate = records.add("candidate", "new", 1.95)
        records.confirm("new", 1.969, 1.983, 1.966, 1.978)  # 2.6 sigma
        return records.judge(candidate, rule=WITHOUT).action

    assert after(0, "discard") == "promote"
    assert after(60, "discard") == "reject"
    assert after(60, "keep") == "promote"


def test_tests_are_numbered_over_all_epochs_by_their_first_confirmation() -> None:
    records = Records()
    records.add("confirmation", "a", 2.0, epoch=2)
    records.confirm("b", 2.0)
    records.confirm("a", 2.0)
    runs = Runs(records.all, 1)
    assert [runs.test_number(sha) for sha in ("a", "b", "untested")] == [1, 2, 3]


@given(
    gain=st.floats(-2, 6),
    seed=st.integers(0, 1 << 32),
    replicates=st.integers(1, 4),
    confirmations=st.integers(2, 6),
    incumbent_runs=st.integers(2, 10),
)
def test_a_resumed_study_decides_alike_and_every_test_ends(
    gain: float, seed: int, replicates: int, confirmations: int, incumbent_runs: int
) -> None:
    rule = Acceptance(
        replicates=replicates, max_confirmations=confirmations, incumbent_runs=incumbent_runs
    )
    draw = random.Random(seed).gauss
    records = Records([draw(0, 1) for _ in range(1 + replicates)])
    lasting = Runs(records.all, 1, rule.drift)
    candidate = records.add("candidate", "new", draw(-gain, 1))
    lasting.add(candidate)
    actions = []
    while True:
        # An engine that goes on reads everything anew; the simulation keeps one object.
        verdict = records.judge(candidate, rule=rule)
        assert verdict == judge(candidate, lasting, INCUMBENT, "base", rule)
        actions.append(verdict.action)
        if verdict.action == "confirm":
            lasting.add(records.add("confirmation", "new", draw(-gain, 1)))
        elif verdict.action == "replicate":
            lasting.add(records.add("replicate", "base", draw(0, 1)))
        else:
            break
    assert actions[-1] in ("promote", "reject")
    assert actions.count("confirm") <= confirmations
    # Beyond those, only what runs beside the candidate while a drift might be the cause.
    assert actions.count("replicate") <= max(0, incumbent_runs - 1 - replicates) + 12


def test_in_simulated_studies_it_rarely_errs_and_sees_a_clear_gain() -> None:
    def study(number: int) -> tuple[bool, bool, int, int]:
        keeper = KeepRule(Draws("t(4)" if number % 2 else "gaussian", 11, number), RULE)
        false = sum(keeper.offer(0.0) for _ in range(60)) > 0
        spent = keeper.confirmations, keeper.incumbent_reruns
        return false, keeper.offer(4.0), *spent

    studies = [study(number) for number in range(200)]
    false, hits, confirmations, reruns = map(sum, zip(*studies, strict=True))
    assert false <= 16  # 2 to 3 % expected
    assert hits >= 180
    assert confirmations < 0.18 * 60 * 200
    assert reruns <= 6 * 200


def test_the_bench_repeats_itself_and_shows_that_naive_rules_err() -> None:
    rows = list(simulate(12, 30, seed=1))
    assert rows == list(simulate(12, 30, seed=1))
    assert len(rows) == 12
    by_rule: dict[str, float] = {}
    for row in rows:
        by_rule[row.rule] = by_rule.get(row.rule, 0) + row.false
    assert by_rule["the keep rule"] < by_rule["beats by 2 sigma"] < by_rule["keep if better"]


def test_the_bound_of_clopper_and_pearson() -> None:
    assert upper_bound(0, 59) == pytest.approx(0.0495, abs=1e-4)  # the rule of three
    assert upper_bound(5, 100) == pytest.approx(0.1023, abs=1e-4)  # a textbook value
    assert upper_bound(7, 7) == 1.0
