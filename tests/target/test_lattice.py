"""The lattice: steps stay in kind and range, come back, and can be written down."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from target import lattice
from target.literal import parses_to, render, same
from target.sites import Site, find_sites

NAMES = [
    *("DEPTH", "WIDTH", "LR", "DROPOUT", "ADAM_BETA1", "MOMENTUM", "WEIGHT_DECAY", "WARMUP_RATIO"),
    *("WARMUP_STEPS", "K", "X", "FINAL_LR", "EPS", "TEMPERATURE", "WINDOW", "MLP_RATIO"),
]

values = st.one_of(
    st.integers(-(2**40), 2**40),
    st.floats(-1e12, 1e12).filter(lambda v: v == 0 or abs(v) > 1e-12),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 40).map(lambda k: 2**k),
)


def site_of(name: str, value: object, hint: str = "") -> Site:
    (site,) = find_sites(f"{name} = {value!r}{hint}\n")
    return site


sites = st.builds(site_of, st.sampled_from(NAMES), values)


@given(sites)
def test_the_row_is_ordered_and_of_one_kind(site: Site) -> None:
    row = lattice.values(site)
    assert any(same(value, site.value) for value in row)
    assert {type(value) for value in row} == {type(site.value)}
    assert len(set(row)) == len(row)
    assert list(row) == sorted(row)  # type: ignore[type-var]
    assert all(math.isfinite(value) for value in row)  # type: ignore[arg-type]


@given(sites, st.integers(-12, 12))
def test_there_and_back(site: Site, n: int) -> None:
    there = lattice.step(site, site.value, n)
    if there is None:
        return
    assert not same(there, site.value)
    assert same(lattice.step(site, there, -n), site.value)
    if not isinstance(there, bool):
        assert lattice.distance(site, site.value, there) == n


@given(
    st.sampled_from(["LR", "X", "DROPOUT", "WIDTH", "ADAM_BETA1"]),
    st.sampled_from([0.02, 0.3, 0.6, 0.8, 0.95, 8, 96, 640]),
    st.lists(st.sampled_from([-1, 1, 2, -2]), max_size=20),
)
def test_walking_never_drifts(name: str, value: float, walk: list[int]) -> None:
    """A walk over many edited scripts, and then the same walk back, ends where it began."""
    near = [lattice.step(site_of(name, value), value, n) for n in (-1, 1)]
    rows = [lattice.values(site_of(name, there)) for there in near if there is not None]
    assume(all(value in row for row in rows))  # an odd value is left once, and not met again
    at: object = value
    done: list[int] = []
    for n in walk:
        site = site_of(name, at)
        there = lattice.step(site, site.value, n)
        if there is None or lattice.shape(site_of(name, there)) != lattice.shape(site):
            break
        at = there
        done.append(n)
    for n in reversed(done):
        site = site_of(name, at)
        at = lattice.step(site, site.value, -n)
    assert at == value


@given(sites)
def test_sign_and_unit_interval_are_kept(site: Site) -> None:
    for value in lattice.span(site):
        if isinstance(site.value, bool):
            continue
        assert float(value) * float(site.value) >= 0
        if lattice.shape(site) in ("ratio", "beta"):
            assert 0 <= float(value) <= 1


@given(sites)
def test_a_value_can_be_written_and_read_back(site: Site) -> None:
    for value in lattice.span(site):
        assert same(parses_to(render(value, site.text)), value)


@given(st.integers(1, 40), st.sampled_from(["WIDTH", "BATCH_SIZE", "X"]))
def test_powers_of_two_stay_powers_of_two(k: int, name: str) -> None:
    for value in lattice.span(site_of(name, 2**k)):
        assert isinstance(value, int)
        assert value.bit_count() == 1


@pytest.mark.parametrize(
    ("name", "value", "up", "down"),
    [
        ("DEPTH", 4, 5, 3),
        ("WIDTH", 128, 256, 64),
        ("WIDTH", 96, 128, 80),
        ("ROPE_BASE", 10_000, 15_000, 8_000),
        ("LR", 0.02, 0.03, 0.015),
        ("LR", 1e-3, 1.5e-3, 8e-4),
        ("ADAM_BETA2", 0.95, 0.97, 0.93),
        ("MOMENTUM", 0.99, 0.993, 0.985),
        ("WARMUP_RATIO", 0.0, 0.02, None),
        ("WARMUP_RATIO", 0.02, 0.05, 0.0),
        ("WARMUP", 1.0, None, 0.9),
        ("WEIGHT_DECAY", 0.0, 0.01, None),
        ("WEIGHT_DECAY", 0.01, 0.015, 0.0),
        ("DEPTH", 1, 2, None),
        ("WARMUP_STEPS", 1, 2, 0),
        ("X", -4, -2, -8),
        ("FLAG", False, True, True),
    ],
)
def test_natural_neighbours(name: str, value: object, up: object, down: object) -> None:
    site = site_of(name, value)
    assert lattice.step(site, site.value, 1) == up
    assert lattice.step(site, site.value, -1) == down


def test_an_odd_value_is_fitted_in() -> None:
    site = site_of("LR", 0.0123)
    up = lattice.step(site, 0.0123, 1)
    assert up == 0.015
    assert lattice.step(site, 0.015, -1) == 0.0123
    assert lattice.step(site_of("LR", 0.0101), 0.0101, 1) == 0.015  # 0.01 is too near to be a step


@given(
    st.floats(1e-6, 1.0),
    st.floats(1.5, 1e4),
    st.floats(0, 1),
    st.booleans(),
)
def test_ranges_are_kept(low: float, factor: float, place: float, log: bool) -> None:
    high = low * factor
    value = min(high, max(low, low + place * (high - low)))
    hint = f"  # arl: range {low!r}..{high!r}{' log' if log else ''}"
    site = site_of("LR", value, hint)
    row = lattice.values(site)
    assert all(low <= v <= high for v in row)  # type: ignore[operator]
    assert {low, high} <= set(row)


def test_whole_numbers_keep_to_their_range() -> None:
    site = site_of("N", 3, "  # arl: range -2..6")
    assert lattice.values(site) == (-2, -1, 0, 1, 2, 3, 4, 5, 6)
    site = site_of("WIDTH", 64, "  # arl: range 16..256")
    assert lattice.values(site) == (16, 32, 64, 128, 256)
    site = site_of("N", -30, "  # arl: range -40..-20")
    assert all(-40 <= int(v) <= -20 for v in lattice.values(site))


def test_choices_go_round_and_numbers_do_not() -> None:
    site = site_of("ACT", "gelu", "  # arl: choices gelu, relu, silu")
    assert [lattice.step(site, "gelu", n) for n in (-1, 1, 2, 3)] == ["silu", "relu", "silu", None]
    site = site_of("HEADS", 4, "  # arl: choices 8, 2, 4")
    assert lattice.values(site) == (2, 4, 8)
    assert lattice.step(site, 8, 1) is None


def test_uniform_draws_everything_within_reach_and_nothing_else() -> None:
    site = site_of("LR", 0.02)
    rng = random.Random(0)
    drawn = {lattice.uniform(site, rng) for _ in range(300)}
    assert drawn == set(lattice.span(site))
    assert len(drawn) == 2 * lattice.SPAN
    assert lattice.span(site, 1) == [0.015, 0.03]


def test_a_remembered_value_that_is_off_the_lattice_still_has_neighbours() -> None:
    site = site_of("LR", 0.02)
    assert lattice.step(site, 0.025, 1) == 0.03
    assert lattice.step(site, 0.025, -1) == 0.02
    assert lattice.distance(site, 0.02, 0.025) is None
