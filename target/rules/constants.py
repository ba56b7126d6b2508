"""Constants: `UPPER_CASE = literal` at module level, each number of a tuple on its own."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from target.hints import Hints, parse
from target.literal import Value, evaluate, render, same
from target.sites import Found, Kind, Site, Splice
from target.source import Script

_SEED_WORD = re.compile(r"(^|_)SEEDS?\d*($|_)")
# A string can only become something that the script is likely to understand.
_FAMILIES: tuple[tuple[Value, ...], ...] = (
    ("relu", "gelu", "silu", "tanh"),
    ("float32", "bfloat16"),
    ("L", "SL", "SSL", "SSSL"),
)


def is_seed(name: str) -> bool:
    """Whether a constant's name says that it is a random seed."""
    return _SEED_WORD.search(name.upper()) is not None


def _is_constant(name: str) -> bool:
    return name.isupper() and not name.startswith("__") and not is_seed(name)


def find(script: Script) -> list[Found]:
    """The script's constants, but for seeds, frozen ones and names that are bound twice."""
    bound = _bindings(script)
    found: list[Found] = []
    for stmt in script.tree.body:
        hints = _hints(script, stmt)
        if hints.frozen:
            continue
        for name, value in _assigned(stmt):
            if _is_constant(name) and bound[name] == 1:
                found += _sites(script, name, value, hints)
    return found


def _assigned(stmt: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    match stmt:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            if len(names) == len(values):
                for target, value in zip(names, values, strict=True):
                    if isinstance(target, ast.Name):
                        yield target.id, value


def _bindings(script: Script) -> Counter[str]:
    """How often each name is bound at module level, `global` statements included."""
    count: Counter[str] = Counter()
    for node in script.nodes:
        match node:
            case ast.Global(names=names):
                count.update(names)
                continue
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                pass
            case ast.ClassDef(name=name) | ast.alias(asname=str() as name):
                pass
            case ast.alias(name=name):
                pass
            case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name):
                pass
            case _:
                continue
        if not script.qualname(node):
            count[name] += 1
    return count


def _hints(script: Script, stmt: ast.stmt) -> Hints:
    """The hints in the comments of the statement's lines; without one, the first comment."""
    comments = script.comments
    lines = range(stmt.lineno, (stmt.end_lineno or stmt.lineno) + 1)
    read = [parse(comments[line], line) for line in lines if line in comments]
    plain = Hints(comment=read[0].comment) if read else Hints()
    return next((hints for hints in read if hints != Hints(comment=hints.comment)), plain)


def _sites(script: Script, name: str, node: ast.expr, hints: Hints) -> list[Found]:
    if isinstance(node, ast.Tuple | ast.List):
        return [
            site
            for index, item in enumerate(node.elts)
            if not isinstance(evaluate(item), str | None)
            for site in _sites(script, f"{name}[{index}]", item, hints)
        ]
    value = evaluate(node)
    if value is None:
        return []
    kind, choices = _kind(value), hints.choices
    if isinstance(value, str):
        choices = choices or _choices(script, name, value)
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
        id=name,
        name=name,
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


def _kind(value: Value) -> Kind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "choice"
    return "int" if isinstance(value, int) else "float"


def _choices(script: Script, name: str, value: str) -> tuple[Value, ...]:
    """The strings that the script itself compares the constant with; else a known family."""
    known: dict[Value, None] = {value: None}
    for node in script.nodes:
        match node:
            case ast.Compare(left=ast.Name(id=left), comparators=[other]) if left == name:
                items = other.elts if isinstance(other, ast.Tuple | ast.List | ast.Set) else [other]
            case ast.Subscript(value=ast.Dict(keys=keys), slice=ast.Name(id=index)):
                items = [key for key in keys if key is not None] if index == name else []
            case ast.Match(subject=ast.Name(id=subject), cases=cases) if subject == name:
                items = [c.pattern.value for c in cases if isinstance(c.pattern, ast.MatchValue)]
            case _:
                continue
        known.update({v: None for item in items if isinstance(v := evaluate(item), str)})
    if len(known) > 1:
        return tuple(known)
    return next((family for family in _FAMILIES if value in family), ())
