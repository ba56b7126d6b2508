"""The module level of a script: what it assigns, and how often each name is bound there."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from target.source import Script

_GUARD = "__name__"


@lru_cache(maxsize=64)
def bindings(script: Script) -> Counter[str]:
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


def assigned(stmt: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The names that a statement binds to expressions, each with its own."""
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


def top_level(script: Script) -> Iterator[ast.stmt]:
    """The statements at module level, those under `if __name__ == "__main__":` included."""
    for stmt in script.tree.body:
        yield stmt
        if isinstance(stmt, ast.If) and is_guard(stmt):
            yield from stmt.body


def is_guard(stmt: ast.stmt) -> bool:
    """Whether this is `if __name__ == "__main__":`."""
    match stmt:
        case ast.If(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])):
            names = {node.id for node in (left, right) if isinstance(node, ast.Name)}
            return _GUARD in names
    return False


@lru_cache(maxsize=64)
def names_read(script: Script) -> frozenset[str]:
    """The variables that are read anywhere in the script."""
    return frozenset(
        node.id
        for node in script.nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )


@lru_cache(maxsize=64)
def stored_attributes(script: Script) -> frozenset[str]:
    """Attributes that are set from outside their class: a default of theirs does not last."""
    return frozenset(
        node.attr
        for node in script.nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    )
