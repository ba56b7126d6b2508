"""The values that a site can take: every policy moves on this lattice, in signed steps.

A lattice is an ordered row of natural values, the same wherever the search stands, so that walking
never drifts. A value that is not one of them is fitted in between: n steps there and n steps back
always return to it. Bools and choices go round in a circle.
"""

from __future__ import annotations

import math
import random
import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from target.literal import Value, same
from target.sites import Site

Shape = Literal["choices", "integers", "powers", "log", "ratio", "beta", "linear"]

SPAN = 6  # steps to either side that `span` and `uniform` reach

# A factor of about the square root of two, in numbers that people use.
_DECADE = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_RATIOS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Logarithmic in 1 - x.
_BETAS = (
    *(0.0, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995),
    *(0.997, 0.998, 0.9985, 0.999, 0.9993, 0.9995, 0.9997, 0.9998, 0.9999),
)
_LEAST = 0.01  # the first value above zero
_POWERS: tuple[Shape, list[int | float]] = ("powers", [2**k for k in range(63)])
_PARTS = 16  # steps in a linear range

_CLOSE = 0.08  # a neighbour that is nearer than this share of the value is no step

_JOINT = re.compile(
    r"[-.#]+"
)  # `--weight-decay`, `AdamW.lr#2` are read as WEIGHT_DECAY, ADAMW_LR_2
_BETA = re.compile(r"BETA|MOMENTUM|DECAY|GAMMA|POLYAK|(^|_)(EMA|RHO)")
_RATIO = re.compile(
    r"RATIO|FRAC|SHARE|DROP|PROB|BETA|MOMENTUM|DECAY|WARM|COOL|FINAL|PCT|PERCENT|SMOOTH|(^|_)(MIX|EMA)"
)
_WEIGHT_DECAY = re.compile(r"WEIGHT_?DECAY|(^|_)WD($|_)")
_RATE = re.compile(r"(^|_)(LR|RATE)($|_|\d)|LEARNING")
_COUNT = re.compile(r"DEPTH|LAYER|BLOCK|STEP|ITER|EPOCH|EVERY|ROUND")
# What makes no sense at zero.
_POSITIVE = re.compile(
    r"(^|_)(LR|RATE|N|NUM|B|T|D|DIM|K|KV|MLP)($|_|\d)|LEARNING|DEPTH|LAYER|BLOCK|HEAD|DIM|WIDTH|SIZE|BATCH"
    r"|EMBD|EMBED|HIDDEN|VOCAB|LEN|SEQ|STEP|ITER|EPOCH|TOKENS|ACCUM|MULT|ASPECT|BASE|THETA|STD|SCALE"
    r"|TEMP|CAP|EPS|RATIO"
)
_ZERO_AFTER_ALL = re.compile(r"WARM|DROP|DECAY|FINAL|SMOOTHING|BIAS|OFFSET|FRAC")


def shape(site: Site) -> Shape:
    """What kind of lattice the site has."""
    return _lattice(site)[0]


def values(site: Site) -> tuple[Value, ...]:
    """The whole row of values, in order. The site's present value is one of them."""
    return _lattice(site)[1]


def step(site: Site, value: Value, n: int) -> Value | None:
    """The value `n` signed steps from `value`; None where that leaves the range or is no move."""
    kind, row = _lattice(site)
    here = _index(row, value)
    if here is None:
        row = tuple(sorted({*row, value}, key=_key)) if _number(value) else (*row, value)
        here = _index(row, value)
        assert here is not None
    if kind == "choices":
        target = row[(here + n) % len(row)]
        return None if same(target, value) else target
    return row[here + n] if n and 0 <= here + n < len(row) else None


def span(site: Site, k: int = SPAN) -> list[Value]:
    """The values within `k` steps of the site's present value, which is left out, in order."""
    kind, row = _lattice(site)
    here = _index(row, site.value) or 0
    near = row if kind == "choices" else row[max(0, here - k) : here + k + 1]
    return [value for value in near if not same(value, site.value)]


def uniform(site: Site, rng: random.Random, k: int = SPAN) -> Value | None:
    """One of `span`, each as likely; None when there is none."""
    reachable = span(site, k)
    return rng.choice(reachable) if reachable else None


def distance(site: Site, start: Value, end: Value) -> int | None:
    """The steps from one value of the lattice to another; None when either is not on it."""
    row = _lattice(site)[1]
    here, there = _index(row, start), _index(row, end)
    return None if here is None or there is None else there - here


@lru_cache(maxsize=4096)
def _lattice(site: Site) -> tuple[Shape, tuple[Value, ...]]:
    value = site.value
    if site.kind in ("choice", "structure"):
        if all(map(_number, site.choices)):
            return "linear", tuple(sorted(site.choices, key=_key))
        return "choices", site.choices
    if isinstance(value, bool):
        return "choices", (False, True)
    if isinstance(value, str):
        return "choices", (value,)
    low = -math.inf if site.low is None else site.low
    high = math.inf if site.high is None else site.high
    kind, row = _row(site, value)
    inside = [v for v in row if low <= v <= high and not 0 < abs(v - value) < _margin(kind, value)]
    ends = [v for v in (low, high) if math.isfinite(v) and (site.kind == "float" or v == int(v))]
    whole = isinstance(value, int)
    number = {int(v) if whole else float(v) for v in (*inside, *ends) if v != value}
    return kind, (*sorted(number | {value}),)


def _margin(kind: Shape, value: int | float) -> float:
    return _CLOSE * abs(value) if kind in ("log", "integers") else 0.0


def _row(site: Site, value: int | float) -> tuple[Shape, Iterable[int | float]]:
    name = _JOINT.sub("_", site.name.upper())
    size = abs(value)
    whole = isinstance(value, int)
    power = whole and _is_power(name, int(size))
    if site.low is not None and site.high is not None and not power:
        if site.log and not whole:
            return "log", _logarithmic(site.low, site.high)
        if not site.log:
            return ("integers" if whole else "linear"), _linear(site.low, site.high, whole)
    if power:
        kind, row = _POWERS
    else:
        kind, row = ("integers", _integers(name, int(size))) if whole else _floats(name, size)
    return kind, [-v for v in row] if value < 0 else row


def _is_power(name: str, size: int) -> bool:
    """Powers of two stay powers of two, but for small counts of things."""
    return size >= 2 and size & (size - 1) == 0 and not (size <= 64 and _COUNT.search(name))


def _integers(name: str, size: int) -> list[int | float]:
    zero = [0] if size == 0 or _may_be_zero(name) else []
    row = [1, 2, 3, *(k * 2**j for j in range(58) for k in (4, 5, 6))]
    if size >= 100 and size % 10 == 0 and size not in row:  # written in tens: 1000, 50_000
        row = [round(m * 10**d) for d in range(1, 18) for m in _DECADE]
    return [*zero, *row]


def _floats(name: str, size: float) -> tuple[Shape, list[int | float]]:
    if size <= 1 and not _WEIGHT_DECAY.search(name):
        beta = _BETA.search(name) and size >= 0.5
        if size < 1 and (beta or (size >= 0.9 and not _RATE.search(name))):
            return "beta", list(_BETAS)
        if _RATIO.search(name) and (size == 0 or size >= _LEAST):
            return "ratio", list(_RATIOS)
    if size == 0:
        return "log", [0.0, *_logarithmic(_LEAST, 1e6)]
    if not _may_be_zero(name):
        return "log", _logarithmic(size * 1e-6, size * 1e6)
    least = next((floor for floor in (_LEAST, 1e-5) if size >= floor), size / 4)
    return "log", [0.0, *_logarithmic(least, size * 1e6)]


def _may_be_zero(name: str) -> bool:
    return bool(_ZERO_AFTER_ALL.search(name)) or not _POSITIVE.search(name)


def _logarithmic(low: float, high: float) -> list[int | float]:
    low, high = max(low, 1e-290), min(high, 1e290)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    grid = (float(f"{m}e{d}") for d in decades for m in _DECADE)
    return [v for v in grid if low * 0.999 <= v <= high * 1.001]


def _linear(low: float, high: float, whole: bool) -> list[int | float]:
    if whole:
        each = max(1, round((high - low) / _PARTS))
        return list(range(math.ceil(low), math.floor(high) + 1, each))
    digits = 2 - math.floor(math.log10((high - low) / _PARTS))
    return [round(low + (high - low) * i / _PARTS, digits) for i in range(_PARTS + 1)]


def _number(value: Value) -> bool:
    return not isinstance(value, bool | str)


def _key(value: Value) -> float:
    return float(value) if not isinstance(value, str) else 0.0


def _index(row: tuple[Value, ...], value: Value) -> int | None:
    if row and all(map(_number, row)) and _number(value):
        at = bisect_left(row, _key(value), key=_key)
        return at if at < len(row) and same(row[at], value) else None
    return next((i for i, item in enumerate(row) if same(item, value)), None)
