"""The shape in which the learning rate comes down: linear, cosine or 1 - sqrt."""

from __future__ import annotations

import ast
import re

from target.sites import Found, Splice, structure
from target.source import Script
from target.statements import import_line

RULE = "schedule"
# `{0}` is the share of the way down that is still left, from 1 to 0.
_SHAPES = {
    "linear": "({0})",
    "cosine": "(0.5 - 0.5 * math.cos(math.pi * ({0})))",
    "sqrt": "(1.0 - max(0.0, 1.0 - ({0})) ** 0.5)",
}
_DOWN = re.compile(r"warm_?down|cool_?down|decay_?(ratio|frac|share|steps)|anneal", re.IGNORECASE)
_LEFT = "LEFT"


def _key(shape: str) -> str:
    """A shape's syntax, with a name where the share that is left stands."""
    return ast.dump(ast.parse(shape.format(_LEFT), mode="eval").body)


_SYNTAX = {_key(shape): name for name, shape in _SHAPES.items() if name != "linear"}


def find(script: Script) -> list[Found]:
    """Every `(1 - progress) / WARMDOWN` in a function, in one of the shapes that we know."""
    found = []
    for node in script.nodes:
        if not isinstance(node, ast.BinOp) or not _is_left(node) or script.function(node) is None:
            continue
        whole, present = _shape_around(script, node)
        start, end = script.span(whole)
        text = script.slice(node)
        variants: dict[str, tuple[Splice, ...]] = {}
        for name, shape in _SHAPES.items():
            splices = [Splice(start, end, shape.format(text))]
            if name == "cosine" and not _has_math(script):
                splices.append(import_line(script, "import math"))
            variants[name] = tuple(splices)
        where = script.qualname(node)
        shown = script.text[start:end]
        found.append(structure(script, RULE, where, start, present, shown, variants))
    return found


def _is_left(node: ast.BinOp) -> bool:
    match node:
        case ast.BinOp(
            left=ast.BinOp(left=ast.Constant(value=1), op=ast.Sub()), op=ast.Div(), right=right
        ):
            return _DOWN.search(ast.unparse(right)) is not None
    return False


def _shape_around(script: Script, left: ast.BinOp) -> tuple[ast.expr, str]:
    """The largest known shape around the share that is left, and its name."""
    inside = ast.dump(left)
    name = ast.dump(ast.parse(_LEFT, mode="eval").body)
    for above in script.ancestors(left):
        if not isinstance(above, ast.expr):
            break
        shape = _SYNTAX.get(ast.dump(above).replace(inside, name))
        if shape is not None:
            return above, shape
    return left, "linear"


def _has_math(script: Script) -> bool:
    return any(
        isinstance(stmt, ast.Import) and any(a.name == "math" and not a.asname for a in stmt.names)
        for stmt in script.tree.body
    )
