"""Gives each run of a script its own luck: seeds that stand in it as numbers become others."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from target.hints import frozen_lines
from target.literal import evaluate, render
from target.seeds import is_seed, names_seed, says_seed, seeds
from target.source import Script, parse

_BOUND = 1 << 31  # every library takes a seed below that


def reseed(source: str, seed: int) -> str:
    """The script with `seed` added to each seed that stands in it as an integer, modulo 2**31.

    So different seeds stay different. Nothing else changes, nor what a hint says is frozen, such as
    the seed of the data. Raises SourceError.
    """
    script = parse(source)
    found = {script.span(node): value for node, value in _literals(script)}
    parts, at = [], 0
    for (start, end), value in sorted(found.items()):
        text = script.text[start:end]
        parts += [script.text[at:start], render((seed + value) % _BOUND, text)]
        at = end
    return "".join([*parts, script.text[at:]])


def _literals(script: Script) -> Iterator[tuple[ast.expr, int]]:
    frozen = frozen_lines(script)
    for node in script.nodes:
        for expression in _held(node):
            value = None if expression.lineno in frozen else evaluate(expression)
            if isinstance(value, int) and not isinstance(value, bool):
                yield expression, value


def _held(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that are seeds, by where they stand in the node."""
    match node:
        case ast.Assign(targets=targets, value=value) if all(map(names_seed, targets)):
            yield value
        case ast.AnnAssign(target=target, value=ast.expr() as value) if names_seed(target):
            yield value
        case ast.keyword(arg=str(name), value=value) if is_seed(name):
            yield value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is not None and says_seed(key):
                    yield value
        case ast.arguments():
            yield from _defaults(node)
        case ast.Call(args=args, keywords=keywords):
            if seeds(node):
                yield from args[:1]
            elif any(map(says_seed, args)):  # add_argument("--seed", type=int, default=1)
                yield from (k.value for k in keywords if k.arg == "default")


def _defaults(signature: ast.arguments) -> Iterator[ast.expr]:
    positional = [*signature.posonlyargs, *signature.args]
    named = positional[len(positional) - len(signature.defaults) :]
    for argument, value in zip(named, signature.defaults, strict=True):
        if is_seed(argument.arg):
            yield value
    for argument, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True):
        if default is not None and is_seed(argument.arg):
            yield default
