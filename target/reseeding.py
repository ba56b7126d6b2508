"""Gives each run of a script its own luck: seeds that stand in it as numbers become others."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from target.hints import frozen_lines
from target.literal import evaluate, render
from target.seeds import held
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
        for expression in held(node):
            value = None if expression.lineno in frozen else evaluate(expression)
            if isinstance(value, int) and not isinstance(value, bool):
                yield expression, value
