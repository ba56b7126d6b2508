"""Calls whose result is known without running anything: of Python's builtins, math and strings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from target.known import UNKNOWN, Dotted, Record, Value, bounded, complete, truth

_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": abs,
    "divmod": divmod,
    "float": float,
    "int": int,
    "len": len,
    "list": tuple,
    "max": max,
    "min": min,
    "round": round,
    "sorted": sorted,
    "sum": sum,
    "tuple": tuple,
    "math.ceil": math.ceil,
    "math.exp": math.exp,
    "math.floor": math.floor,
    "math.gcd": math.gcd,
    "math.isqrt": math.isqrt,
    "math.lcm": math.lcm,
    "math.log": math.log,
    "math.log2": math.log2,
    "math.prod": math.prod,
    "math.sqrt": math.sqrt,
}
_STRINGS: Final = ("count", "endswith", "lower", "startswith", "strip", "upper")
_TYPES: Final[Mapping[str, type]] = {"int": int, "float": float, "str": str, "bool": bool}
CONSTANTS: Final[Mapping[str, Value]] = {"math.pi": math.pi, "math.e": math.e}
BUILTINS: Final = frozenset(
    [name for name in _FUNCTIONS if "." not in name]
    + ["all", "any", "bool", "dict", "getattr", "isinstance", "pow", "print", "range", "str"]
)
_MOST = 256  # of a range


def call(path: str, args: tuple[Value, ...], keywords: Mapping[str, Value]) -> Value:
    """The result of `path(*args, **keywords)`; UNKNOWN where it is not known."""
    if path == "dict" and not args:
        return dict(keywords)
    if path == "getattr" and len(args) >= 2 and isinstance(args[0], Record):
        return args[0].fields.get(args[1], UNKNOWN) if isinstance(args[1], str) else UNKNOWN
    if path == "isinstance" and len(args) == 2:
        return _isinstance(*args)
    if path in ("all", "any") and len(args) == 1:
        return _quantified(path, args[0])
    if path == "print":
        return None
    if keywords or not all(map(complete, args)):
        return UNKNOWN
    if path == "range":
        return _range(args)
    if path == "bool" and len(args) == 1:
        known = truth(args[0])
        return UNKNOWN if known is None else known
    if path in ("int", "float") and args and isinstance(args[0], str):
        return UNKNOWN
    return bounded(_FUNCTIONS.get(path), *args)


def string_method(text: str, name: str, args: tuple[Value, ...]) -> Value:
    """The result of a string's method, if it is one of the few that are read."""
    if name not in _STRINGS or not all(isinstance(argument, str) for argument in args):
        return UNKNOWN
    return bounded(getattr(text, name), *args)


def _range(args: tuple[Value, ...]) -> Value:
    if not all(isinstance(argument, int) for argument in args):
        return UNKNOWN
    try:
        found = range(*args)
        return tuple(found) if len(found) <= _MOST else UNKNOWN
    except (TypeError, ValueError, OverflowError):
        return UNKNOWN


def _isinstance(value: Value, kind: Value) -> Value:
    known = _TYPES.get(kind.path) if isinstance(kind, Dotted) else None
    if known is None or not complete(value):
        return UNKNOWN
    return isinstance(value, known)


def _quantified(name: str, values: Value) -> Value:
    """`all` and `any` of what is known in part."""
    if not isinstance(values, tuple):
        return UNKNOWN
    found = [truth(value) for value in values]
    decides = name == "any"
    if decides in found:
        return decides
    return UNKNOWN if None in found else not decides
