"""Forecasts from finished curves, and the bound beyond which a running one is hopeless."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calibration import Calibration, Finished, conformal_quantile

LOOKS = 5
NOISE = np.array([0.2, 0.15, 0.1, 0.07, 0.05])


def made_up(count: int, seed: int, spread: float = 0.1) -> list[Finished]:
    """Runs whose losses tell their score, better and better from look to look."""
    dice = np.random.default_rng(seed)
    runs = []
    for number in range(count):
        score = 2.4 + spread * abs(dice.standard_normal())
        steps = dice.standard_normal(LOOKS).cumsum() / np.arange(1, LOOKS + 1)
        levels = 1.8 * score + NOISE * steps + np.arange(LOOKS, 0, -1)
        looks = tuple((float(level), float(level) - 0.3) for level in levels)
        runs.append(Finished(str(number), score, looks))
    return runs


def test_a_forecast_is_near_the_end_and_its_band_holds_it() -> None:
    calibration = Calibration(made_up(150, 1), LOOKS, 0.05)
    held = []
    for run in made_up(200, 2):
        forecast = calibration.forecast(4, run.looks[4])
        assert forecast is not None
        held.append(forecast.low <= run.score <= forecast.high)
    assert 0.84 <= sum(held) / len(held) <= 0.97


def test_a_few_runs_that_went_astray_do_not_bend_it() -> None:
    runs = made_up(60, 3)
    astray = [
        Finished(f"astray {n}", 9.0, tuple((3.0 + n, 3.0) for _ in range(LOOKS))) for n in range(4)
    ]
    before = Calibration(runs, LOOKS, 0.05).forecast(4, runs[0].looks[4])
    after = Calibration(runs + astray, LOOKS, 0.05).forecast(4, runs[0].looks[4])
    assert before is not None
    assert after is not None
    assert after.score == pytest.approx(before.score, abs=0.03)


@pytest.mark.parametrize("scale", [10.0, 1e6])
def test_a_curve_on_another_scale_changes_little(scale: float) -> None:
    runs = made_up(60, 3)
    looks = tuple((scale * level, scale * tail) for level, tail in filter(None, runs[7].looks))
    other = Finished("other", runs[7].score, looks)
    before, after = Calibration(runs, LOOKS, 0.05), Calibration([*runs, other], LOOKS, 0.05)
    for seen in (runs[0].looks[4], (6.5, 6.2)):
        old, new = before.forecast(4, seen), after.forecast(4, seen)
        assert old is not None
        assert new is not None
        assert new.score == pytest.approx(old.score, abs=0.2 * abs(old.score - 2.4) + 0.02)
    assert math.isfinite(after.bound)


def test_too_few_curves_forecast_nothing_and_bound_nothing() -> None:
    calibration = Calibration(made_up(8, 1), LOOKS, 0.05)
    assert calibration.forecast(0, (5.0, 4.0)) is None
    assert math.isinf(calibration.bound)
    assert math.isinf(Calibration([], LOOKS, 0.05).bound)


def test_a_curve_without_a_look_takes_no_part_there() -> None:
    runs = [Finished(one.source, one.score, (None, *one.looks[1:])) for one in made_up(40, 4)]
    calibration = Calibration(runs, LOOKS, 0.05)
    assert calibration.forecast(0, (5.0, 4.0)) is None
    assert calibration.forecast(1, runs[0].looks[1]) is not None
    assert math.isfinite(Calibration(runs, LOOKS, 0.1).bound)


def test_runs_of_one_script_count_once() -> None:
    many = [Finished("same", one.score, one.looks) for one in made_up(40, 5)]
    assert math.isinf(Calibration(many, LOOKS, 0.05).bound)


@pytest.mark.parametrize("level", [0.05, 0.1])
def test_no_more_good_runs_are_lost_over_all_looks_than_promised(level: float) -> None:
    lost = good = 0
    for study in range(25):
        known = made_up(60, 100 + study)
        calibration = Calibration(known, LOOKS, level)
        best = float(np.quantile([run.score for run in known], 0.2))
        for run in made_up(200, 1000 + study):
            if run.score > best:
                continue
            good += 1
            excess = [calibration.excess(n, look, best) for n, look in enumerate(run.looks)]
            lost += any(one is not None and one > calibration.bound for one in excess)
    assert good > 800
    assert lost / good <= level * 1.4


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_the_conformal_quantile_is_the_order_statistic(values: list[float], level: float) -> None:
    found = conformal_quantile(np.array(values), np.ones(len(values)), level)
    rank = math.ceil((1 - level) * (len(values) + 1) - 1e-9)
    expected = sorted(values)[rank - 1] if rank <= len(values) else math.inf
    assert found == expected


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 10)), min_size=1, max_size=40),
    st.floats(0.01, 0.4),
)
def test_a_smaller_level_never_lowers_the_bound(
    pairs: list[tuple[float, float]], level: float
) -> None:
    values, weights = (np.array(column) for column in zip(*pairs, strict=True))
    wide = conformal_quantile(values, weights, level)
    assert conformal_quantile(values, weights, level / 2) >= wide
