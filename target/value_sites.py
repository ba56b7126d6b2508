"""Sites that are literal values: what every rule about constants, defaults and keywords shares."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from target.hints import Hints
from target.literal import Value, evaluate, render, same
from target.sites import Found, Kind, Site, Splice
from target.source import Script

_MOST = 4  # numbers of a tuple, where a longer one is data
# A string can only become something that the script is likely to understand.
_FAMILIES: tuple[tuple[Value, ...], ...] = (
    ("relu", "gelu", "silu", "tanh"),
    ("float32", "bfloat16"),
    ("L", "SL", "SSL", "SSSL"),
)


@dataclass(frozen=True)
class Named:
    """What a literal is called, and what is known of it besides its text.

    `is_read` tells the expressions that read it. `whole` is False where an integer stands for a
    float. `strings` is False where a string's choices have to be given.
    """

    id: str
    name: str
    hints: Hints
    is_read: Callable[[ast.expr], bool]
    choices: tuple[Value, ...] = ()
    whole: bool = True
    strings: bool = True


def sites(script: Script, named: Named, node: ast.expr) -> list[Found]:
    """The sites of a literal: one, or one for each number of a tuple or list."""
    if isinstance(node, ast.Tuple | ast.List):
        return [
            site
            for index, item in enumerate(node.elts)
            if not isinstance(evaluate(item), str | None)
            for site in sites(script, _part(named, index), item)
        ]
    value = evaluate(node)
    if value is None:
        return []
    if not named.whole and type(value) is int:
        value = float(value)
    hints, kind = named.hints, _kind(value)
    choices = hints.choices or named.choices
    if isinstance(value, str):
        if not choices and named.strings:
            choices = _choices(script, named.is_read, value)
        if len({value, *choices}) < 2:
            return []
    if choices:
        kind = "choice"
        if isinstance(value, float):
            choices = tuple(float(c) if type(c) is int else c for c in choices)
        choices = choices if any(same(value, c) for c in choices) else (value, *choices)
    start, end = script.span(node)
    text = script.text[start:end]
    site = Site(
        id=named.id,
        name=named.name,
        kind=kind,
        value=value,
        line=script.line_of(start),
        text=text,
        comment=hints.comment,
        choices=choices,
        low=hints.low,
        high=hints.high,
        log=hints.log,
    )
    return [Found(site, lambda wanted: (Splice(start, end, render(wanted, text)),))]


def is_short(node: ast.expr) -> bool:
    """Whether it is a single value, or so few that they are settings and not data."""
    return not isinstance(node, ast.Tuple | ast.List) or len(node.elts) <= _MOST


def joined(found: Sequence[Found]) -> Found:
    """One site for several places that have the same value, and change together."""
    first = found[0]
    return Found(
        first.site, lambda wanted: tuple(s for item in found for s in item.splices(wanted))
    )


def reads_name(name: str) -> Callable[[ast.expr], bool]:
    """Tells expressions that are the variable `name`."""
    return lambda node: isinstance(node, ast.Name) and node.id == name


def reads_attribute(name: str) -> Callable[[ast.expr], bool]:
    """Tells expressions that are the attribute `name` of anything."""
    return lambda node: isinstance(node, ast.Attribute) and node.attr == name


def _part(named: Named, index: int) -> Named:
    mark = f"[{index}]"
    return replace(named, id=named.id + mark, name=named.name + mark)


def _kind(value: Value) -> Kind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "choice"
    return "int" if isinstance(value, int) else "float"


def _choices(script: Script, is_read: Callable[[ast.expr], bool], value: str) -> tuple[Value, ...]:
    """The strings that the script itself compares the value with; else a known family."""
    known: dict[Value, None] = {value: None}
    for node in script.nodes:
        match node:
            case ast.Compare(left=left, comparators=[other]) if is_read(left):
                items = other.elts if isinstance(other, ast.Tuple | ast.List | ast.Set) else [other]
            case ast.Subscript(value=ast.Dict(keys=keys), slice=index) if is_read(index):
                items = [key for key in keys if key is not None]
            case ast.Match(subject=subject, cases=cases) if is_read(subject):
                items = [c.pattern.value for c in cases if isinstance(c.pattern, ast.MatchValue)]
            case _:
                continue
        known.update({v: None for item in items if isinstance(v := evaluate(item), str)})
    if len(known) > 1:
        return tuple(known)
    return next((family for family in _FAMILIES if value in family), ())
