"""The convergence rule: what it estimates, when it stops at the earliest, and how often it errs."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.convergence import Record, converged, estimate, gains_above, needed, trend
from engine.oracle_bench import simulate
from engine.settings import Convergence

DEFAULT = Convergence()


def records() -> st.SearchStrategy[Record]:
    """Any improvement record with up to 60 gains."""
    gains = st.lists(st.integers(1, 5000), max_size=60, unique=True).map(sorted)
    return st.builds(
        lambda found, more: Record((found[-1] if found else 0) + more, tuple(found)),
        gains,
        st.integers(0, 3000),
    )


def test_no_normal_night_is_stopped_early() -> None:
    assert needed(DEFAULT) == 450
    assert not converged(Record(449), DEFAULT)
    assert converged(Record(450), DEFAULT)


@pytest.mark.parametrize(
    ("ahead", "delta", "least"), [(50, 0.1, 450), (20, 0.1, 180), (50, 0.05, 950), (1, 0.5, 1)]
)
def test_it_takes_so_many_tries_without_a_gain(ahead: int, delta: float, least: int) -> None:
    rule = Convergence(experiments=ahead, delta=delta)
    assert needed(rule) == least
    assert converged(Record(least), rule)
    assert not converged(Record(least - 1), rule)


def test_the_estimates_are_as_stated() -> None:
    assert estimate(Record(0), 50).chance == 1.0
    assert estimate(Record(150), 50).recent == pytest.approx(0.25)
    # One gain at the first of e tries: b = 1, and one gain in n tries goes on as such.
    assert trend(Record(100, (100,)), 50) == pytest.approx(1 - 2.718281828**-0.5)
    assert trend(Record(100), 50) == 0.0


def test_steady_gains_keep_it_going_through_a_long_stretch_without_one() -> None:
    steady = tuple(range(200, 1801, 200))
    assert not converged(Record(1800 + 450, steady), DEFAULT)
    assert converged(Record(1800 + 2000, steady), DEFAULT)
    early = (10, 20, 30)
    assert converged(Record(30 + 470, early), DEFAULT)


def test_many_early_gains_that_are_long_over_do_not() -> None:
    early = tuple(range(5, 505, 5))
    assert converged(Record(500 + 960, early), DEFAULT)


@given(records(), st.integers(1, 500))
def test_a_chance_is_one_and_falls_while_nothing_is_gained(record: Record, ahead: int) -> None:
    chances = [
        estimate(Record(record.tries + more, record.gains), ahead).chance for more in (0, 1, 10)
    ]
    assert 0 <= chances[2] <= chances[1] <= chances[0] <= 1


@given(st.integers(1, 9), st.integers(1, 4), st.data())
def test_the_bound_holds_for_every_exchangeable_number_of_gains(
    fruitless: int, ahead: int, data: st.DataObject
) -> None:
    total = fruitless + ahead
    gains = data.draw(st.integers(1, total))
    all_late = sum(min(places) >= fruitless for places in combinations(range(total), gains))
    share = all_late / comb(total, gains)
    bound = estimate(Record(fruitless), ahead).recent
    assert share <= bound + 1e-12
    if gains == 1:
        assert share == pytest.approx(bound)


def test_small_gains_add_up() -> None:
    promotions = [(3, 0.004), (9, 0.004), (20, 0.004), (30, 0.05), (31, 0.001)]
    assert gains_above(promotions, 0.0) == (3, 9, 20, 30, 31)
    assert gains_above(promotions, 0.01) == (20, 30)
    assert gains_above(promotions, 1.0) == ()


def test_it_errs_no_more_often_than_it_says() -> None:
    rows = [row for row in simulate(200, 2000, 3) if row.rule == "the rule"]
    assert [row.process for row in rows][:2] == ["no gain at all", "independent draws"]
    assert all(row.wrong <= 0.15 for row in rows), rows
    assert rows[0].tries == 450
    assert rows == [row for row in simulate(200, 2000, 3) if row.rule == "the rule"]
