"""Gradient clipping by norm: put in before the optimiser's step, changed, or taken out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from target.literal import evaluate, render
from target.names import names_in
from target.sites import ABSENT, Found, Splice, structure
from target.source import Function, Script
from target.statements import insert_before, path_to, remove

RULE = "gradient-clip"
_LIMITS = (0.3, 1.0, 3.0)
_MODEL_NAMES = ("model", "net", "network", "raw_model", "orig_model", "gpt")

Scope = Function | ast.Module


def find(script: Script) -> list[Found]:
    """One site for each function (or module) that calls `backward` and steps an optimiser."""
    found: list[Found] = []
    backward: dict[Scope, list[ast.stmt]] = {}
    steps: dict[Scope, ast.stmt] = {}
    clips: dict[Scope, ast.Call] = {}
    for node in script.nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="backward")):
                backward.setdefault(_scope(script, node), []).append(script.statement(node))
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=who, attr="step"))) if (
                _is_optimizer(who)
            ):
                steps.setdefault(_scope(script, node), node)
            case ast.Call(func=func) if _called(func) == "clip_grad_norm_":
                clips.setdefault(_scope(script, node), node)
    for scope, clip in clips.items():
        found += _present(script, scope, clip)
    for scope, step in steps.items():
        if scope in backward and scope not in clips:
            found += _absent(script, scope, backward[scope], step)
    return found


def _scope(script: Script, node: ast.AST) -> Scope:
    return script.function(node) or script.tree


def _is_optimizer(who: ast.expr) -> bool:
    """By its name: schedulers and gradient scalers have a `step` too."""
    return "opt" in ast.unparse(who).lower()


def _called(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _present(script: Script, scope: Scope, clip: ast.Call) -> Iterator[Found]:
    limit = _limit(clip)
    if limit is None:
        return
    stmt = script.statement(clip)
    present = script.slice(limit)
    value = evaluate(limit)
    variants: dict[str, tuple[Splice, ...]] = {}
    if isinstance(stmt, ast.Expr) and stmt.value is clip:  # else its result is used
        variants[ABSENT] = remove(script, [stmt])
    if isinstance(value, int | float):
        start, end = script.span(limit)
        for other in _LIMITS:
            variants[str(other)] = (Splice(start, end, render(other, present)),)
        present = str(float(value))
    if set(variants) - {present}:
        at, _ = script.span(clip)
        text = script.slice(clip)
        yield structure(script, RULE, _where(script, scope), at, present, text, variants)


def _limit(clip: ast.Call) -> ast.expr | None:
    for keyword in clip.keywords:
        if keyword.arg == "max_norm":
            return keyword.value
    plain = not any(isinstance(argument, ast.Starred) for argument in clip.args)
    return clip.args[1] if plain and len(clip.args) > 1 else None


def _absent(
    script: Script, scope: Scope, backward: list[ast.stmt], step: ast.stmt
) -> Iterator[Found]:
    model = _model(script, scope)
    nn = names_in(script).nn
    if model is None or nn is None:
        return
    place = _place(script, backward, step)
    variants: dict[str, tuple[Splice, ...]] = {ABSENT: ()}
    for limit in _LIMITS:
        code = f"{nn}.utils.clip_grad_norm_({model}.parameters(), {limit})"
        variants[str(limit)] = (insert_before(script, place, code),)
    start, _ = script.span(place)
    yield structure(script, RULE, _where(script, scope), start, ABSENT, "", variants)


def _where(script: Script, scope: Scope) -> str:
    if isinstance(scope, ast.Module):
        return ""
    return script.qualname(scope.body[0])


def _place(script: Script, backward: list[ast.stmt], step: ast.stmt) -> ast.stmt:
    """Where all gradients are there, and no optimiser has stepped: behind any inner loops.

    That is before the statement around the step that shares the deepest block with a `backward`.
    """
    place, deepest = step, 0
    second = path_to(script, step)
    for stmt in backward:
        first = path_to(script, stmt)
        depth = sum(before is after for before, after in zip(first, second, strict=False))
        if depth >= min(len(first), len(second)):
            continue
        before, after = first[depth], second[depth]
        in_order = before.lineno <= after.lineno
        if in_order and depth >= deepest and script.block(before) is script.block(after):
            place, deepest = after, depth
    return place


def _model(script: Script, scope: Scope) -> str | None:
    """The variable that holds the model in this scope."""
    bound = _bound(scope)
    for name in _MODEL_NAMES:
        if name in bound:
            return name
    outer = _bound(script.tree)
    for node in ast.walk(scope):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="parameters" | "zero_grad")
            ) if name in bound | outer and "opt" not in name.lower():
                return name
    return next((name for name in _MODEL_NAMES if name in outer), None)


def _bound(scope: Scope) -> set[str]:
    """Variables that the scope itself binds: arguments and assignments to a name."""
    names: set[str] = set()
    pending: list[ast.AST] = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        pending.extend(ast.iter_child_nodes(node))
    return names
