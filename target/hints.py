"""Comments that steer the search.

`# arl: frozen`, `# arl: range 1e-4..1e-1 log`, `# arl: choices a, b`: behind the value, or alone in
a line above it. `frozen` at a `class` or `def` holds for all that is inside.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache

from target.literal import Value, parses_to
from target.source import Script, SourceError

_MARK = re.compile(r"(?:^|[#\s])arl:\s*(?P<hint>.*)$")
_RANGE = re.compile(r"range\s+(?P<low>\S+?)\s*\.\.\s*(?P<high>\S+)(?P<log>\s+log)?")


@dataclass(frozen=True)
class Hints:
    """What a constant's comment asks for, and the rest of the comment, for people."""

    frozen: bool = False
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()
    comment: str = ""

    @property
    def steers(self) -> bool:
        """Whether there is more to it than a comment."""
        return self != Hints(comment=self.comment)

    @property
    def asks(self) -> bool:
        """Whether it says which values a site should take: somebody wants it to be one."""
        return self.low is not None or bool(self.choices)


def at(script: Script, first: int, last: int) -> Hints:
    """The hints for what stands in these lines: in them, else alone above them.

    The comment for people is the first one in these lines. Raises SourceError.
    """
    comments = script.comments
    read = [parse(comments[line], line) for line in range(first, last + 1) if line in comments]
    comment = read[0].comment if read else ""
    found = next((hints for hints in read if hints.steers), None) or _above(script, first)
    return Hints(comment=comment) if found is None else found


def _above(script: Script, line: int) -> Hints | None:
    """The hint in the comments that stand alone right above a line."""
    line -= 1
    while line in script.comments and _alone(script, line):
        hints = parse(script.comments[line], line)
        if hints.steers:
            return replace(hints, comment="")
        line -= 1
    return None


def _alone(script: Script, line: int) -> bool:
    return script.line_text(line).lstrip("\ufeff \t\f").startswith("#")


@lru_cache(maxsize=64)
def frozen_lines(script: Script) -> frozenset[int]:
    """The lines in which nothing may change. Raises SourceError for a hint that is no hint."""
    marks = [
        line
        for line, text in script.comments.items()
        if "arl:" in text and parse(text, line).frozen
    ]
    if not marks:
        return frozenset()
    begin, end = _statements(script)
    frozen: set[int] = set()
    for line in marks:
        alone = _alone(script, line)
        at = line
        while alone and at in script.comments and _alone(script, at):
            at += 1
        stmt = begin.get(at)
        if stmt is None and not alone and _closes(script, line):
            stmt = end.get(line)
        if stmt is not None and (alone or not hasattr(stmt, "body") or _is_definition(stmt)):
            frozen.update(range(at, (stmt.end_lineno or at) + 1), range(stmt.lineno, at))
        frozen.add(at)
    return frozenset(frozen)


def _statements(script: Script) -> tuple[dict[int, ast.stmt], dict[int, ast.stmt]]:
    """The outermost statement that begins in a line (decorators count), or ends in it."""
    begin: dict[int, ast.stmt] = {}
    end: dict[int, ast.stmt] = {}
    for node in script.nodes:
        if isinstance(node, ast.stmt):
            decorators = getattr(node, "decorator_list", [])
            for line in (node.lineno, *(decorator.lineno for decorator in decorators)):
                begin.setdefault(line, node)
            if not hasattr(node, "body"):
                end.setdefault(node.end_lineno or node.lineno, node)
    return begin, end


def _is_definition(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def _closes(script: Script, line: int) -> bool:
    """Whether a line has nothing but the brackets that end a statement."""
    return not script.line_text(line).partition("#")[0].strip(")]}, \t\r\n")


def parse(comment: str, line: int) -> Hints:
    """Read one comment, without its sign. Raises SourceError for a hint that is no hint."""
    mark = _MARK.search(comment)
    if mark is None:
        return Hints(comment=comment)
    hint, rest = mark["hint"].strip(), comment[: mark.start()].strip("# \t")
    word = hint.partition(" ")[0]
    if word == "frozen":
        return Hints(frozen=True, comment=rest)
    if word == "range" and (found := _RANGE.fullmatch(hint)):
        low, high = _number(found["low"]), _number(found["high"])
        log = found["log"] is not None
        if low is not None and high is not None and low < high and (low > 0 or not log):
            return Hints(low=low, high=high, log=log, comment=rest)
    if word == "choices":
        choices = tuple(_choice(item) for item in hint[len(word) :].split(",") if item.strip())
        if choices:
            return Hints(choices=tuple(dict.fromkeys(choices)), comment=rest)
    raise SourceError(
        f"line {line}: cannot follow the hint '# arl: {hint}': write `# arl: frozen`,"
        " `# arl: range LOW..HIGH` (with `log` for a logarithmic scale, which needs LOW above 0)"
        " or `# arl: choices A, B, C`"
    )


def _number(text: str) -> float | None:
    value = parses_to(text)
    if isinstance(value, bool | str) or value is None or not math.isfinite(value):
        return None
    return value


def _choice(text: str) -> Value:
    value = parses_to(text)
    return text.strip() if value is None else value
