"""What aborts cost, measured on the hopeless runs that were let run to their end."""

from __future__ import annotations

import numpy as np
import pytest

from engine.audits import Ended, is_audited, level_now, report
from state.records import Evaluation, Look


def run(
    score: float | None, *, condemned: bool = False, audited: bool = False, threshold: float = 2.4
) -> Ended:
    looks = tuple(
        Look(progress=p, level=5.0, tail=4.0, forecast=2.45, spread=0.02, threshold=threshold)
        for p in (0.1, 0.2)
    )
    evaluation = Evaluation(
        looks=looks,
        condemned_at=0.2 if condemned else None,
        audit_probability=0.1 if condemned else None,
        audited=audited,
    )
    return Ended("", score, evaluation)


PASSED = [run(2.39)] * 90 + [run(2.5)] * 50
HOPELESS = [run(None, condemned=True)] * 90


def test_without_an_audit_nothing_is_claimed() -> None:
    found = report(PASSED + HOPELESS)
    assert (found.condemned, found.aborted, found.audited) == (90, 90, 0)
    assert found.false_aborts is None


def test_an_audited_run_stands_for_the_hopeless_ones() -> None:
    audited = [run(2.5, condemned=True, audited=True)] * 9
    audited += [run(2.38, condemned=True, audited=True)]
    found = report(PASSED + HOPELESS + audited)
    assert (found.condemned, found.aborted, found.audited) == (100, 90, 10)
    # A tenth of 100 hopeless runs would have ended well: 10, beside 90 that were let through.
    assert found.false_aborts == pytest.approx(0.1)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < 0.1 < found.high < 0.4


def test_coverage_is_the_share_of_forecasts_that_held() -> None:
    # The band is 2.45 +- 1.645 * 0.02.
    assert report([run(2.45), run(2.46), run(2.5), run(2.44)]).coverage == pytest.approx(0.75)
    assert report([run(None)]).coverage is None


def test_the_estimate_is_right_on_average_and_its_interval_holds() -> None:
    dice = np.random.default_rng(3)
    estimates, held = [], 0
    for _ in range(200):
        runs = [run(2.39)] * 95
        good = [True] * 5 + [False] * 95
        for is_good in good:
            audit = bool(dice.random() < 0.3)
            score = (2.39 if is_good else 2.5) if audit else None
            runs.append(run(score, condemned=True, audited=audit))
        found = report(runs)
        assert found.false_aborts is not None
        assert found.low is not None
        assert found.high is not None
        estimates.append(found.false_aborts)
        held += found.low <= 0.05 <= found.high
    assert np.mean(estimates) == pytest.approx(0.05, abs=0.01)
    assert held / 200 >= 0.88


def test_lost_good_runs_tighten_the_level_and_finished_ones_loosen_it_again() -> None:
    lost = run(2.38, condemned=True, audited=True)
    assert level_now([], 0.05) == 0.05
    tight = level_now([lost], 0.05)
    assert 0.01 <= tight < 0.05
    assert tight < level_now([lost] + [run(2.39)] * 50, 0.05)
    assert level_now([run(2.39)] * 10_000, 0.05) == pytest.approx(0.1)
    assert level_now([lost] * 100, 0.05) == pytest.approx(0.01)
    assert level_now([run(2.5), run(None, condemned=True)], 0.05) == 0.05


def test_audits_are_a_draw_of_each_experiment_that_comes_out_the_same_again() -> None:
    drawn = [is_audited(7, number, 0.1) for number in range(4000)]
    assert drawn == [is_audited(7, number, 0.1) for number in range(4000)]
    assert drawn != [is_audited(8, number, 0.1) for number in range(4000)]
    assert 0.08 <= sum(drawn) / 4000 <= 0.12
    assert is_audited(7, 1, 1.0)
