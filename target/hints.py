"""Comments that steer the search.

`# arl: frozen`, `# arl: range 1e-4..1e-1 log`, `# arl: choices a, b`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from target.literal import Value, parses_to
from target.source import SourceError

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
