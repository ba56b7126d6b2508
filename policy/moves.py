"""The moves of a site, and the numbers that describe it: how a policy sees a place in a script.

A move is one of `BINS` signed steps on the site's lattice. Where the values are ordered these are
the steps of `STEPS`; where they go round in a circle (choices, booleans), bin `k` is `k + 1` steps
on. A position counts lattice steps from the value as given; a choice's position is its index.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple, get_args

from policy.lexicon import CONCEPTS, concepts
from target import lattice
from target.literal import Value, same
from target.sites import Kind, Site

STEPS = (-4, -3, -2, -1, 1, 2, 3, 4)
BINS = len(STEPS)
REACH = 16  # positions to either side that are told apart
PLACES = 2 * REACH + 1
WAYS = BINS + 1  # down and up, or one per choice: what statistics are kept for

_SHAPES = get_args(lattice.Shape)
_KINDS = get_args(Kind)
NAME_FEATURES = len(CONCEPTS)
STATIC_FEATURES = NAME_FEATURES + len(_SHAPES) + len(_KINDS) + 5


class View(NamedTuple):
    """A site in numbers: what stays the same while its value moves.

    `static` has STATIC_FEATURES numbers, the name's first; `coordinates` the natural coordinate at
    each of PLACES positions (octaves, or eighths of a ratio), 0 at the value as given. Positions
    run from `low` to `high`. `choices` is 0 where the values are ordered.
    """

    static: tuple[float, ...]
    coordinates: tuple[float, ...]
    low: int
    high: int
    origin: int
    choices: int


@lru_cache(maxsize=8192)
def view(site: Site) -> View:
    """The site as numbers, with its present value as the origin."""
    shape, row = lattice.shape(site), lattice.values(site)
    here = next(i for i, value in enumerate(row) if same(value, site.value))
    if shape == "choices":
        low, high, choices = 0, min(len(row), PLACES) - 1, len(row)
        coordinates, start = (0.0,) * PLACES, here
    else:
        low, high, choices = max(-here, -REACH), min(len(row) - 1 - here, REACH), 0
        places = [row[min(max(here + n, 0), len(row) - 1)] for n in range(-REACH, REACH + 1)]
        coordinates = tuple(_coordinate(shape, value, site.value, row) for value in places)
        start = 0
    static = _static(site, shape, low, high, choices)
    return View(static, coordinates, low, high, start, choices)


def position(given: Site, value: Value) -> int:
    """The position of a value, seen from the site as given; the nearest, if it is none."""
    row = lattice.values(given)
    if lattice.shape(given) == "choices":
        return next((i for i, item in enumerate(row) if same(item, value)), 0)
    steps = lattice.distance(given, given.value, value)
    if steps is None:
        if isinstance(value, str) or isinstance(given.value, str):
            return 0
        nearest = min(row, key=lambda item: abs(float(item) - float(value)))
        steps = lattice.distance(given, given.value, nearest) or 0
    return max(-REACH, min(REACH, steps))


def destination(given: Site, position: int) -> Value | None:
    """The value at a position, seen from the site as given; None where there is none."""
    row = lattice.values(given)
    at = position
    if lattice.shape(given) != "choices":
        at += next(i for i, value in enumerate(row) if same(value, given.value))
    return row[at] if 0 <= at < len(row) else None


def _static(
    site: Site, shape: lattice.Shape, low: int, high: int, choices: int
) -> tuple[float, ...]:
    value = site.value
    size = abs(float(value)) if not isinstance(value, str) else 0.0
    return (
        *concepts(site.name),
        *(float(shape == known) for known in _SHAPES),
        *(float(site.kind == known) for known in _KINDS),
        math.log10(size) / 4 if size > 0 and math.isfinite(size) else 0.0,
        float(size == 0),
        math.log2(choices) / 3 if choices else 0.0,
        -low / REACH if not choices else 0.0,
        high / REACH if not choices else 0.0,
    )


def _coordinate(shape: lattice.Shape, value: Value, given: Value, row: tuple[Value, ...]) -> float:
    v, v0 = float(value), float(given)
    if shape in ("ratio", "linear"):
        width = 1.0 if shape == "ratio" else max(float(row[-1]) - float(row[0]), 1e-9)
        return 8 * (v - v0) / width
    if shape == "beta":
        return math.log2((1 - v0) / (1 - v))
    least = min((abs(float(item)) for item in row if item), default=1.0)
    # Zero lies two octaves below the least value: far, and not infinitely far.
    return math.log2(max(abs(v), least / 4) / max(abs(v0), least / 4))
