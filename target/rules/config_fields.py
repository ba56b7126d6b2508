"""Defaults of settings classes: `class Config: n_layer: int = 12` has the site `Config.n_layer`.

A default that every construction in the script overrides has no effect, and is no site.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from target import comparability
from target.bindings import stored_attributes
from target.classes import annotated, classes, fields, is_config_name, takes_fields
from target.hints import at
from target.sites import Found
from target.source import Script
from target.value_sites import Named, is_short, reads_attribute, sites


def find(script: Script) -> list[Found]:
    """The defaults that decide something. People and policies read them by the field's name."""
    found: list[Found] = []
    holders = [node for node in classes(script).values() if _holds_settings(node)]
    count = Counter(name for node in holders for name, _, _ in fields(node))
    stored = stored_attributes(script)
    for node in holders:
        owner = f"{script.qualname(node)}.{node.name}".lstrip(".")
        given = _given(script, node)
        for name, default, stmt in fields(node):
            hints = at(script, stmt.lineno, stmt.end_lineno or stmt.lineno)
            if name in given or name in stored or hints.frozen or not is_short(default):
                continue
            if not hints.asks and comparability.reason_against(script, name) is not None:
                continue
            id_ = f"{owner}.{name}"
            shown = name if count[name] == 1 else id_
            named = Named(id_, shown, hints, reads_attribute(name), whole=not _is_float(stmt))
            found += sites(script, named, default)
    return found


def _holds_settings(node: ast.ClassDef) -> bool:
    if takes_fields(node):
        return True
    return not node.bases and is_config_name(node.name)


def _is_float(stmt: ast.stmt) -> bool:
    annotation = stmt.annotation if isinstance(stmt, ast.AnnAssign) else None
    return isinstance(annotation, ast.Name) and annotation.id == "float"


def _given(script: Script, node: ast.ClassDef) -> set[str]:
    """The fields that every construction in the script gives; none where there is none."""
    order = annotated(node)
    each = [
        set(_passed(script, call, order))
        for call in script.nodes
        if isinstance(call, ast.Call) and _called(call) == node.name
    ]
    return set.intersection(*each) if each else set()


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _passed(script: Script, call: ast.Call, order: list[str]) -> Iterator[str]:
    if not any(isinstance(argument, ast.Starred) for argument in call.args):
        yield from order[: len(call.args)]
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg
        elif isinstance(keyword.value, ast.Name):
            yield from _keys(script, keyword.value.id)


def _keys(script: Script, name: str) -> set[str]:
    """The keys that a variable surely has, if all it is ever given are dicts written out."""
    each: list[set[str]] = []
    for node in script.nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                pass
            case _:
                continue
        match value:
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
                each.append({keyword.arg for keyword in keywords if keyword.arg})
            case ast.Dict(keys=keys):
                each.append({str(key.value) for key in keys if isinstance(key, ast.Constant)})
            case _:
                each.append(set())
    return set.intersection(*each) if each else set()
