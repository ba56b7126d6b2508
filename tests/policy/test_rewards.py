"""Rewards: signs, ranks, and that no term poisons the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rewards import FAILURES, Experience, Weights, merit, rank, reward

DEFAULT = Weights()
STATUSES: list[str] = [
    *("keep", "discard", "abort", "crash", "timeout", "oom", "invalid", "veto"),
]
experiences = st.builds(
    Experience,
    status=st.sampled_from(STATUSES),
    gain=st.floats(-20, 20),
    distance=st.floats(0, 30),
    unused=st.floats(0, 1),
)
windows = st.lists(experiences, max_size=8)


def scored(gain: float) -> Experience:
    return Experience("discard", gain)


def test_better_is_more() -> None:
    window = [scored(gain) for gain in (-2.0, -1.0, 0.0, 1.0)]
    worth = [reward(scored(gain), window, DEFAULT) for gain in (-3.0, -1.5, 0.5, 2.0)]
    assert worth == sorted(set(worth))
    assert worth[0] < 0 < worth[-1]


def test_a_rank_is_the_place_among_the_others() -> None:
    assert rank(5.0, [1.0, 2.0]) == 1.0
    assert rank(0.0, [1.0, 2.0]) == -1.0
    assert rank(1.5, [1.0, 2.0]) == 0.0
    assert rank(1.0, [1.0, 1.0]) == 0.0
    assert rank(7.0, []) == 0.0


def test_ranks_do_not_depend_on_the_unit_of_the_score() -> None:
    only = Weights(gain=0.0)
    for unit in (0.01, 100.0):
        window = [scored(-2 * unit), scored(unit)]
        assert reward(scored(0.0), window, only) == 0.0


@given(st.floats(-20, 20), windows)
def test_the_terms_of_the_paper_are_off(gain: float, window: list[Experience]) -> None:
    plain = reward(Experience("discard", gain), window, DEFAULT)
    assert reward(Experience("discard", gain, 9.0, 0.8), window, DEFAULT) == plain
    each = [reward(Experience(status, gain), window, DEFAULT) for status in FAILURES]
    assert len(set(each)) == 1


def test_novelty_grows_with_the_distance() -> None:
    weights = Weights(novelty=1.0)
    near, far = (reward(Experience("discard", 0.0, d), [], weights) for d in (1.0, 3.0))
    assert (near, far) == (0.5, 0.75)


def test_the_papers_other_terms_take_off_what_they_say() -> None:
    weights = Weights(efficiency=0.5, syntax=2.0, waste=3.0)

    def more(status: str, unused: float = 0.0) -> float:
        seen = Experience(status, 0.0, 0.0, unused)
        return reward(seen, [], weights) - reward(seen, [], DEFAULT)

    assert more("discard", unused=0.4) == pytest.approx(0.2)
    assert more("invalid") == pytest.approx(-2)
    for status in ("crash", "oom", "timeout"):
        assert more(status) == pytest.approx(-3)
    assert more("keep") == more("abort") == more("veto") == 0


@given(experiences, windows)
def test_nothing_is_worth_more_or_less_than_the_best_or_the_worst(
    seen: Experience, window: list[Experience]
) -> None:
    most = DEFAULT.rank + 3 * DEFAULT.gain
    assert -most <= reward(seen, window, DEFAULT) <= most


@given(st.sampled_from(FAILURES), st.floats(-3, 20), windows)
def test_a_failure_is_no_better_than_what_trains(
    status: str, gain: float, window: list[Experience]
) -> None:
    failed = reward(Experience(status, 5.0), window, DEFAULT)  # whatever its gain says
    assert failed <= reward(scored(gain), window, DEFAULT)


def test_an_abort_is_only_known_to_be_worse() -> None:
    assert merit(Experience("abort", 4.0)) == merit(Experience("abort", 0.0))
    assert merit(Experience("abort", 4.0)) < -1.5  # type: ignore[operator]
    assert merit(Experience("abort", -5.0)) == -5.0


@given(experiences, windows)
def test_a_veto_is_no_score(seen: Experience, window: list[Experience]) -> None:
    vetoed = Experience("veto", 3.0)
    assert merit(vetoed) is None
    assert reward(vetoed, window, DEFAULT) == -DEFAULT.veto
    assert reward(seen, [*window, vetoed], DEFAULT) == reward(seen, window, DEFAULT)
