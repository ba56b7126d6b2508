"""What a policy sees of a site: what its name says, its moves, and its natural coordinate."""

from __future__ import annotations

from itertools import pairwise

import pytest

from policy.knobs import Knob, library
from policy.lexicon import CONCEPTS, concepts
from policy.moves import (
    NAME_FEATURES,
    PLACES,
    REACH,
    STATIC_FEATURES,
    destination,
    position,
    view,
)
from target import lattice
from target.literal import same
from target.sites import Site, find_sites


def site(line: str) -> Site:
    (found,) = find_sites(line)
    return found


def says(name: str) -> set[str]:
    return {concept for concept, on in zip(CONCEPTS, concepts(name), strict=True) if on}


def ordered() -> list[Knob]:
    return [knob for knob in library() if not knob.view.choices]


@pytest.mark.parametrize("name", ["MATRIX_LR", "lr_matrix", "MatrixLR", "matrixLr2"])
def test_a_name_is_a_set_of_words(name: str) -> None:
    assert says(name) == {"learning rate", "matrix"}


@pytest.mark.parametrize("name", ["x1", "X", "Q_7", "größe", "_"])
def test_a_name_that_nobody_lists_says_nothing(name: str) -> None:
    assert says(name) == set()


def test_longer_words_are_not_taken_for_shorter_ones() -> None:
    assert "warm-down" in says("WARMDOWN_RATIO")
    assert "warm-up" not in says("WARMDOWN_RATIO")
    assert "output" in says("UNEMBEDDING_LR")
    assert "embedding" not in says("UNEMBEDDING_LR")


def test_only_the_name_differs_between_a_site_and_its_nameless_twin() -> None:
    named, nameless = view(site("MATRIX_LR = 0.02")), view(site("X = 0.02"))
    assert sum(named.static[:NAME_FEATURES]) == 2
    assert sum(nameless.static[:NAME_FEATURES]) == 0
    assert named.static[NAME_FEATURES:-2] == nameless.static[NAME_FEATURES:-2]
    assert len(named.static) == len(nameless.static) == STATIC_FEATURES


def test_position_and_destination_are_inverse() -> None:
    for knob in library():
        seen = knob.view
        assert position(knob.site, knob.site.value) == seen.origin
        assert seen.low <= seen.origin <= seen.high
        for place in range(seen.low, seen.high + 1):
            value = destination(knob.site, place)
            assert value is not None
            assert position(knob.site, value) == place


def test_a_position_counts_the_steps_of_the_lattice() -> None:
    for knob in ordered():
        for place in range(max(knob.view.low, -4), min(knob.view.high, 4) + 1):
            reached = destination(knob.site, place)
            stepped = lattice.step(knob.site, knob.site.value, place)
            assert reached is not None
            assert same(reached, knob.site.value if place == 0 else stepped)


def test_there_is_nothing_beyond_the_ends() -> None:
    for knob in library():
        row = lattice.values(knob.site)
        here = 0 if knob.view.choices else row.index(knob.site.value)
        assert destination(knob.site, -here - 1) is None
        assert destination(knob.site, len(row) - here) is None


def test_a_value_beside_the_lattice_is_taken_for_its_neighbour() -> None:
    rate = site("LR = 0.01")
    assert position(rate, 0.011) == 0
    assert position(rate, 0.0147) == 1
    assert position(rate, 1e9) == REACH
    assert position(rate, -5.0) == -REACH
    assert position(rate, "none") == 0


def test_the_coordinate_is_0_at_the_origin_and_rises() -> None:
    for knob in ordered():
        seen = knob.view
        assert len(seen.coordinates) == PLACES
        assert seen.coordinates[REACH] == 0
        row = seen.coordinates[REACH + seen.low : REACH + seen.high + 1]
        assert all(before < after for before, after in pairwise(row))


@pytest.mark.parametrize(
    ("line", "steps", "expected"),
    [
        ("WIDTH = 64", 1, 1.0),  # an octave
        ("LR = 0.01", 2, 1.0),
        ("WARMUP_RATIO = 0.5", 1, 0.8),  # eighths of the whole
        ("BETA2 = 0.9", 2, 1.0),  # octaves of the distance to 1
        ("ALPHA = 0.5  # arl: range 0..1", 4, 2.0),
        ("HEADS = 4  # arl: choices 2, 4, 6", 1, 4.0),
    ],
)
def test_coordinates_are_natural(line: str, steps: int, expected: float) -> None:
    assert view(site(line)).coordinates[REACH + steps] == pytest.approx(expected)


def test_zero_is_far_and_not_infinitely_far() -> None:
    seen = view(site("WEIGHT_DECAY = 0.1"))
    assert -20 < seen.coordinates[REACH + seen.low] < -2
    assert view(site("DROPOUT = 0.0")).coordinates[REACH] == 0


def test_choices_have_no_coordinate() -> None:
    seen = view(site('ACTIVATION = "gelu"  # arl: choices relu, gelu, silu'))
    assert (seen.choices, seen.origin, seen.low, seen.high) == (3, 1, 0, 2)
    assert set(seen.coordinates) == {0.0}
