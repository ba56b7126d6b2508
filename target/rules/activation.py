"""Activation functions: any of a few takes the place of another."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from target.names import Names, names_in
from target.sites import Found, Splice, structure
from target.source import Script

RULE = "activation"
_FUNCTIONS = ("relu2", "relu", "gelu", "silu", "tanh")
_KNOWN = frozenset([*_FUNCTIONS, "elu", "leaky_relu", "mish", "hardtanh", "softplus"])
_MODULES = {"ReLU": "relu", "GELU": "gelu", "SiLU": "silu", "Tanh": "tanh"}


def find(script: Script) -> list[Found]:
    """Every activation that is called as a function, a method of a tensor or a torch.nn module."""
    names = names_in(script)
    found: list[Found] = []
    inner: set[ast.AST] = set()  # the relu of a squared relu is no site of its own
    for node in script.nodes:
        if not isinstance(node, ast.Call | ast.BinOp) or node in inner:
            continue
        if (squared := _squared(names, node)) is not None:
            inner.add(squared)
            argument = _argument(names, squared)
            found += _site(script, names, node, "relu2", argument)
        elif isinstance(node, ast.Call):
            if (argument := _argument(names, node)) is not None:
                found += _site(script, names, node, _called(names, node), argument)
            elif (module := names.module(node.func)) in _MODULES and not node.args:
                found += _module_site(script, node, str(module))
    return found


def _called(names: Names, call: ast.Call) -> str:
    attr = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return names.function(call.func) or attr


def _argument(names: Names, call: ast.Call) -> ast.expr | None:
    """What an activation is applied to; None when the call is no activation."""
    if names.function(call.func) in _KNOWN:
        plain = call.args and not isinstance(call.args[0], ast.Starred)
        return call.args[0] if plain else None
    match call:
        case ast.Call(func=ast.Attribute(value=value, attr="relu" | "tanh"), args=[], keywords=[]):
            is_self = isinstance(value, ast.Name) and value.id in ("self", "cls")
            return None if is_self else value
    return None


def _squared(names: Names, node: ast.expr) -> ast.Call | None:
    """The relu inside `relu(x)**2`, `relu(x).square()`, `relu(x).pow(2)`, `square(relu(x))`."""
    match node:
        case ast.BinOp(left=ast.Call() as call, op=ast.Pow(), right=ast.Constant(value=2)):
            pass
        case ast.Call(func=ast.Attribute(value=ast.Call() as call, attr="square"), args=[]):
            pass
        case ast.Call(
            func=ast.Attribute(value=ast.Call() as call, attr="pow"), args=[ast.Constant(value=2)]
        ):
            pass
        case ast.Call(func=func, args=[ast.Call() as call]) if names.function(func) == "square":
            pass
        case _:
            return None
    return call if _argument(names, call) is not None and _called(names, call) == "relu" else None


def _site(
    script: Script, names: Names, node: ast.expr, present: str, argument: ast.expr | None
) -> Iterator[Found]:
    if argument is None or names.functional is None or script.function(node) is None:
        return
    if present == "tanh" and _caps(script, node, argument):
        return
    start, end = script.span(node)
    text = script.slice(argument)
    prefix = names.functional
    calls = {name: f"{prefix}.{name}({text})" for name in _FUNCTIONS}
    calls["relu2"] = f"{prefix}.relu({text}).square()"
    if names.torch:
        calls["tanh"] = f"{names.torch}.tanh({text})"
    variants = {name: (Splice(start, end, call),) for name, call in calls.items()}
    yield structure(
        script, RULE, script.qualname(node), start, present, script.text[start:end], variants
    )


def _caps(script: Script, node: ast.expr, argument: ast.expr) -> bool:
    """A tanh between a division and a product caps its input: it is no activation."""
    above = script.parents[node]
    scaled = isinstance(above, ast.BinOp) and isinstance(above.op, ast.Mult | ast.Div)
    return scaled or (isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Div))


def _module_site(script: Script, node: ast.Call, present: str) -> Iterator[Found]:
    assert isinstance(node.func, ast.Attribute)
    start, end = script.span(node)
    prefix = script.slice(node.func.value)
    variants = {
        variant: (Splice(start, end, f"{prefix}.{name}()"),) for name, variant in _MODULES.items()
    }
    value, text = _MODULES[present], script.text[start:end]
    yield structure(script, RULE, script.qualname(node), start, value, text, variants)
