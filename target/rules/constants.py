"""Constants: `UPPER_CASE = literal` at module level, each number of a tuple on its own.

A script of another style, which has none, has its plain variables: `learning_rate = 3e-4`, bound
once and read somewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from target import comparability, entry_points
from target.bindings import assigned, bindings, names_read, top_level
from target.hints import at
from target.seeds import is_seed
from target.sites import Found
from target.source import Script
from target.value_sites import Named, is_short, reads_name, sites


def find(script: Script) -> list[Found]:
    """The script's constants, but for seeds, frozen ones and names that are bound twice."""
    if entry_points.is_sealed(script):
        return _named(script, script.tree.body, _is_constant, comparable=True)
    constants = _named(script, top_level(script), _is_constant)
    return constants or _named(script, top_level(script), _is_variable, plain=True)


def _is_constant(name: str) -> bool:
    return name.isupper() and not name.startswith("__") and not is_seed(name)


def _is_variable(name: str) -> bool:
    # A single letter is a count or a coordinate more often than a setting.
    return len(name) > 1 and not name.startswith("_") and not is_seed(name)


def _named(
    script: Script,
    stmts: Iterable[ast.stmt],
    fits: Callable[[str], bool],
    *,
    comparable: bool = False,
    plain: bool = False,
) -> list[Found]:
    """`comparable`: whatever its name says; `plain`: only what is read, and no rows of data."""
    found: list[Found] = []
    for stmt in stmts:
        for name, value in assigned(stmt):
            if not fits(name) or bindings(script)[name] != 1:
                continue
            hints = at(script, stmt.lineno, stmt.end_lineno or stmt.lineno)
            if hints.frozen or (plain and not (is_short(value) and name in names_read(script))):
                continue
            if comparable or hints.asks or comparability.reason_against(script, name) is None:
                named = Named(id=name, name=name, hints=hints, is_read=reads_name(name))
                found += sites(script, named, value)
    return found
