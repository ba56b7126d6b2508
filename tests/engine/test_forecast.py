"""Loss curves as numbers: bins, the power law, and when a curve has run away."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.forecast import SmoothedCurve, fit, look_shares


def curve_of(points: list[tuple[float, float]]) -> SmoothedCurve:
    curve = SmoothedCurve()
    for progress, loss in points:
        curve.add(progress, loss)
    return curve


@pytest.mark.parametrize(
    ("budget", "clock", "count", "first"),
    [
        (10.0, "cpu", 9, 0.1),
        (300.0, "wall", 9, 0.1),
        (600.0, "wall", 19, 0.05),
        (3600.0, "wall", 119, 30 / 3600),
        (5000.0, "steps", 9, 0.1),
    ],
)
def test_looks_are_30_s_apart_or_a_tenth(
    budget: float, clock: str, count: int, first: float
) -> None:
    shares = look_shares(budget, clock)
    assert len(shares) == count
    assert shares[0] == pytest.approx(first)
    assert shares[-1] < 1


@given(a=st.floats(0.1, 5.0), b=st.floats(0.1, 2.0), c=st.floats(0.0, 4.0), n=st.integers(10, 200))
def test_a_power_law_is_found_again(a: float, b: float, c: float, n: int) -> None:
    t = np.linspace(0.03, 0.5, n)
    found = fit(t, a * t**-b + c)
    assert found is not None
    assert found[0] * 0.5 ** -found[1] + found[2] == pytest.approx(a * 0.5**-b + c, rel=0.01)
    assert found[0] + found[2] == pytest.approx(a + c, rel=0.02, abs=0.02)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-1e6, 1e6)), max_size=40))
def test_any_curve_gives_numbers_or_none_and_no_coefficient_is_negative(
    points: list[tuple[float, float]],
) -> None:
    curve = curve_of(points)
    found = fit(*curve.bins())
    if found is not None:
        assert all(math.isfinite(value) and value >= 0 for value in found)
    seen = curve.look(0.9)
    assert seen is None or all(math.isfinite(value) for value in seen)


def test_a_curve_is_averaged_in_bins() -> None:
    curve = curve_of([(0.501, 2.0), (0.509, 4.0), (0.9, 1.0), (0.91, math.nan)])
    progress, loss = curve.bins()
    assert progress.tolist() == pytest.approx([0.505, 0.9])
    assert loss.tolist() == pytest.approx([3.0, 1.0])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=30))
def test_whatever_is_reported_what_is_seen_can_be_computed_with(losses: list[float]) -> None:
    seen = curve_of([(0.03 * n, loss) for n, loss in enumerate(losses, 1)]).look(0.9)
    assert seen is None or all(abs(value) < 1e12 for value in seen)


def test_two_points_are_too_few() -> None:
    assert curve_of([(0.1, 3.0), (0.2, 2.0)]).look(0.3) is None


def test_a_rising_loss_is_divergence_only_far_above_the_first_one() -> None:
    calm = [(n / 20, 7.6 - n / 10) for n in range(10)]
    assert not curve_of(calm).diverged
    assert not curve_of([*calm, (0.6, 8.0)]).diverged
    assert curve_of([*calm, (0.6, 12.0)]).diverged
