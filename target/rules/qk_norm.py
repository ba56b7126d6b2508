"""QK-norm: queries and keys normalised before attention, taken out or put in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from target.names import names_in
from target.sites import ABSENT, Found, structure
from target.source import Function, Script
from target.statements import insert_before, path_to, remove

RULE = "qk-norm"
_ATTENTION = re.compile(r"scaled_dot_product_attention|flash_attn\w*|flex_attention")
_NORM = re.compile(r"norm", re.IGNORECASE)
_OWN_NORMS = ("norm", "rms_norm", "rmsnorm")


def find(script: Script) -> list[Found]:
    """One site for each function that computes attention from two local variables."""
    found: list[Found] = []
    seen: set[Function] = set()
    for node in script.nodes:
        pair = _attends(node)
        function = script.function(node) if pair else None
        if pair is None or function is None or function in seen:
            continue
        seen.add(function)
        norms = _norms(script, function, *pair)
        if norms:
            found += _present(script, norms)
        elif not _normed_otherwise(function, pair):
            found += _absent(script, function, node, *pair)
    return found


def _attends(node: ast.AST) -> tuple[str, str] | None:
    """The variables that are query and key, if this is an attention call or a `q @ k.mT`."""
    match node:
        case ast.Call(func=func, args=[left, right, *_]) if _ATTENTION.fullmatch(_name(func)):
            pass
        case ast.BinOp(left=left, op=ast.MatMult(), right=ast.Call() | ast.Attribute() as right):
            turned = right.func if isinstance(right, ast.Call) else right
            if _name(turned) not in ("transpose", "mT", "T"):
                return None
        case _:
            return None
    query, key = _variable(left), _variable(right)
    # Without the names, any matrix product with a transpose would look like attention.
    if query is None or key is None or not (query[:1] in "qQ" and key[:1] in "kK"):
        return None
    return query, key


def _variable(node: ast.expr) -> str | None:
    """The variable under a chain of methods: q of `q.transpose(1, 2)`."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else None


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _is_norm(value: ast.expr, of: str) -> bool:
    match value:
        case ast.Call(func=func, args=[ast.Name(id=name), *_]) if name == of:
            return _NORM.search(_name(func)) is not None
    return False


def _norms(script: Script, function: Function, query: str, key: str) -> list[ast.stmt]:
    """The statements of one block that normalise query and key, and do nothing else."""
    singles: dict[str, ast.stmt] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(
                targets=[ast.Tuple(elts=[ast.Name(id=first), ast.Name(id=second)])],
                value=ast.Tuple(elts=[left, right]),
            ) if {first, second} == {query, key}:
                if _is_norm(left, first) and _is_norm(right, second):
                    return [node]
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in (query, key):
                if _is_norm(value, name):
                    singles[name] = node
    pair = sorted(singles.values(), key=lambda stmt: stmt.lineno)
    if len(pair) == 2 and script.block(pair[0]) is script.block(pair[1]):
        return pair
    return []


def _normed_otherwise(function: Function, pair: tuple[str, str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _NORM.search(_name(node.func)):
            inside = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
            if inside & set(pair):
                return True
    return False


def _present(script: Script, norms: list[ast.stmt]) -> Iterator[Found]:
    start, _ = script.span(norms[0])
    text = "; ".join(script.slice(stmt) for stmt in norms)
    where = script.qualname(norms[0])
    yield structure(
        script, RULE, where, start, "on", text, {ABSENT: remove(script, norms), "on": ()}
    )


def _absent(
    script: Script, function: Function, node: ast.AST, query: str, key: str
) -> Iterator[Found]:
    call = _norm_call(script)
    place = _place(script, function, script.statement(node), {query, key})
    if call is None or place is None:
        return
    code = f"{query}, {key} = {call.format(query)}, {call.format(key)}"
    splice = insert_before(script, place, code)
    yield structure(
        script,
        RULE,
        script.qualname(place),
        splice.start,
        ABSENT,
        "",
        {ABSENT: (), "on": (splice,)},
    )


def _norm_call(script: Script) -> str | None:
    """The script's own norm of one argument; else torch's."""
    for node in script.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in _OWN_NORMS:
            signature = node.args
            if len(signature.args) - len(signature.defaults) == 1 and not signature.kwonlyargs:
                return f"{node.name}({{0}})"
    functional = names_in(script).functional
    return f"{functional}.rms_norm({{0}}, ({{0}}.size(-1),))" if functional else None


def _place(script: Script, function: Function, stmt: ast.stmt, needed: set[str]) -> ast.stmt | None:
    """The outermost statement before attention where query and key are both known."""
    known = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    top = path_to(script, stmt)[0]
    if top not in function.body:  # attention in a decorator or a default value
        return None
    for before in function.body[: function.body.index(top)]:
        bound = (n for n in ast.walk(before) if isinstance(n, ast.Name))
        known |= {name.id for name in bound if isinstance(name.ctx, ast.Store)}
    if needed <= known:
        return top
    assigned = [
        other
        for other in script.block(stmt)
        for name in ast.walk(other)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store) and name.id in needed
    ]
    same_block = {id(other) for other in assigned if other.lineno < stmt.lineno}
    return stmt if same_block else None
