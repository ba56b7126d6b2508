"""Parameter groups of optimisers: `dict(params=embeddings, lr=0.3)` has `embeddings.lr`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from target import entry_points
from target.classes import path_of
from target.keyword_sites import TECHNICAL, keyword_sites
from target.literal import evaluate
from target.sites import Found
from target.source import Script

_NAMES_IT = ("kind", "name", "group_name")
_SKIPPED = TECHNICAL | {"params", *_NAMES_IT}
# Variables that say no more than that they hold parameters.
_PLAIN = re.compile(
    r"(model|group|trainable|named)?_?(params?|groups?|parameters)|model|net|self|ps?"
)


def find(script: Script) -> list[Found]:
    """The literal settings of every dict that has `params`."""
    if entry_points.is_sealed(script):
        return []
    found: list[Found] = []
    for node in script.nodes:
        pairs = dict(_pairs(node))
        if "params" in pairs:
            owner = _owner(script, node, pairs)
            settings = [(key, value) for key, value in pairs.items() if key not in _SKIPPED]
            found += keyword_sites(script, owner, settings)
    return found


def _pairs(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
            yield from ((k.arg, k.value) for k in keywords if k.arg is not None)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value


def _owner(script: Script, node: ast.AST, pairs: dict[str, ast.expr]) -> str:
    """What the group is called: by its parameters, by its own name, or by its optimiser."""
    words = _words(pairs["params"])
    if words:
        return words
    for key in _NAMES_IT:
        named = evaluate(pairs[key]) if key in pairs else None
        if isinstance(named, str) and named.isidentifier():
            return named
    for above in script.ancestors(node):
        if isinstance(above, ast.stmt):
            break
        if isinstance(above, ast.Call) and (path := path_of(script, above.func)):
            return path.rpartition(".")[2]
    return "group"


def _words(params: ast.expr) -> str:
    """The most telling name in an expression of parameters: `lm_head` of `lm_head.parameters()`."""
    match params:
        case ast.Call(func=ast.Name(), args=[argument, *_]):
            return _words(argument)
        case ast.Call(func=ast.Attribute(value=value)):
            return _words(value)
        case ast.List(elts=[only]) | ast.Tuple(elts=[only]):
            return _words(only)
        case ast.Attribute(attr="weight" | "bias", value=value):
            return _words(value)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return "" if _PLAIN.fullmatch(name) else name
    return ""
