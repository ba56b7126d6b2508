"""What can be known of a script's values without running it, and sums over that.

A value is a number, a string, None, a tuple of values (lists too), a dict with strings as keys, or
one of the classes below; all else is UNKNOWN. Nothing that could be large is computed.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Value = Any  # int | float | bool | str | None | tuple | dict | the classes below


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()

_LARGEST = 2**128
_LONGEST = 4096  # items of a tuple, characters of a string
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


@dataclass(eq=False)
class Record:
    """An object: of a class of the script, or the arguments of its command line."""

    kind: str
    fields: dict[str, Value] = field(default_factory=dict)
    cls: Class | None = None
    settings: bool = False  # its fields are what the script's author set


@dataclass(eq=False)
class Module:
    """A script or a module that it imports, and its names."""

    name: str
    names: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False)
class Class:
    """A class, and its names."""

    node: ast.ClassDef
    scope: Scope
    names: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False)
class Function:
    """A function, or a method with what it is bound to."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    bound: Value = UNKNOWN


@dataclass(eq=False)
class Parser:
    """A parser of the command line, and the defaults of its arguments."""

    defaults: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Dotted:
    """Something that an import gives, by its full name."""

    path: str


@dataclass(eq=False)
class Scope:
    """The names of a running function (or module), and where it was defined."""

    module: Module
    names: dict[str, Value]
    outer: Scope | None = None
    declared: set[str] = field(default_factory=set)  # `global`
    result: Value = None

    def get(self, name: str) -> Value:
        """The value of a name; UNKNOWN for builtins, too."""
        at: Scope | None = self
        while at is not None:
            if name in at.names and name not in at.declared:
                return at.names[name]
            at = at.outer
        return self.module.names.get(name, UNKNOWN)

    def set(self, name: str, value: Value) -> None:
        """Bind a name here, or where `global` says."""
        (self.module.names if name in self.declared else self.names)[name] = value


def plain(value: Value) -> bool:
    """Whether it is a number, a string, a bool or None."""
    return value is None or isinstance(value, int | float | str)


def complete(value: Value) -> bool:
    """Whether it is plain, or made of a limited number of plain values alone."""
    waiting, seen = [value], 0
    while waiting:
        item = waiting.pop()
        seen += 1
        if seen > _LONGEST:  # a script may say `x = (x, x)` again and again
            return False
        if isinstance(item, tuple):
            waiting.extend(item)
        elif not plain(item):
            return False
    return True


def truth(value: Value) -> bool | None:
    """Whether the value counts as true; None when that is not known."""
    if plain(value) or isinstance(value, tuple | dict):
        return bool(value)
    return None


def binary(op: ast.operator, left: Value, right: Value) -> Value:
    """`left op right`, if both are known and the result stays small."""
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers:
        rows = isinstance(left, tuple) and isinstance(right, tuple)
        if isinstance(op, ast.Add) and (rows or (isinstance(left, str) and isinstance(right, str))):
            return bounded(operator.add, left, right)
        return UNKNOWN
    large = abs(right) > 256 or abs(left) > 1e12
    if isinstance(op, ast.Pow | ast.LShift) and large:
        return UNKNOWN
    return bounded(_OPERATORS.get(type(op)), left, right)


def unary(op: ast.unaryop, value: Value) -> Value:
    """`op value`, if it is known."""
    if isinstance(op, ast.Not):
        known = truth(value)
        return UNKNOWN if known is None else not known
    if not isinstance(value, int | float):
        return UNKNOWN
    signs: dict[type[ast.unaryop], Callable[[Any], Any]] = {
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
        ast.Invert: operator.invert,
    }
    return bounded(signs[type(op)], value)


def compare(op: ast.cmpop, left: Value, right: Value) -> Value:
    """`left op right`, if both are known."""
    if not complete(left) or not (complete(right) or isinstance(right, dict)):
        return UNKNOWN
    if isinstance(op, ast.Is | ast.IsNot) and not (left is None or right is None):
        return UNKNOWN
    return bounded(_COMPARISONS[type(op)], left, right)


def bounded(function: Callable[..., Any] | None, *values: Value) -> Value:
    """The function's result; UNKNOWN when it fails, or is no small value."""
    if function is None:
        return UNKNOWN
    try:
        result = function(*values)
    except (ArithmeticError, TypeError, ValueError, KeyError, IndexError, AttributeError):
        return UNKNOWN
    if isinstance(result, list):
        result = tuple(result)
    if isinstance(result, float):
        return result if math.isfinite(result) else UNKNOWN
    if isinstance(result, int):
        return result if abs(result) < _LARGEST else UNKNOWN
    if isinstance(result, str | tuple):
        return result if len(result) <= _LONGEST else UNKNOWN
    return result if result is None else UNKNOWN


def merged(records: list[Record]) -> Record:
    """One record for several of a kind: the fields in which all agree."""
    first = records[0]
    names = {name for record in records for name in record.fields}
    fields = {
        name: first.fields.get(name, UNKNOWN)
        if all(
            _alike(record.fields.get(name, UNKNOWN), first.fields.get(name)) for record in records
        )
        else UNKNOWN
        for name in names
    }
    return Record(first.kind, fields, first.cls, settings=True)


def _alike(left: Value, right: Value) -> bool:
    return complete(left) and complete(right) and type(left) is type(right) and left == right


def by_name(table: Mapping[str, Value], name: str) -> Value:
    """An entry of a dict; UNKNOWN where there is none."""
    return table.get(name, UNKNOWN)
