"""The metric of a study: what its scores are called, which way is better, how they are written.

val-bpb has four decimals everywhere. Scores of other metrics may be negative, tiny or huge: they
have about five significant digits, and what is a difference of scores has as many decimals as the
scores themselves. All numbers here are raw: as the metric counts them, whichever way is better.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from state.records import NewStudy

Direction: TypeAlias = Literal["min", "max"]

SELF_REPORTED = "self-reported"
WIDTH = 10  # columns that hold a number of any size
_BPB_BELOW = 1e4  # a larger val_bpb has lost its way, and is written as any other number
_DIGITS = 4  # after the first one
_PLAIN = (1e-3, 1e6)  # between these, numbers are written without an exponent
_EXPONENT = re.compile(r"e([-+])0*(\d)")


@dataclass(frozen=True)
class Metric:
    """A metric, by default val_bpb. `self_reported`: the target prints it, and nobody checks."""

    name: str = "val_bpb"
    direction: Direction = "min"
    self_reported: bool = False

    @classmethod
    def of(cls, study: NewStudy) -> Metric:
        """The metric of a study."""
        return cls(study.metric, study.direction, study.target_kind == "command")

    @property
    def is_bpb(self) -> bool:
        """Whether scores are bits per byte."""
        return self.name == "val_bpb"

    @property
    def title(self) -> str:
        """Its name for people, in printable characters."""
        if self.is_bpb:
            return "val-bpb"
        return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in self.name)

    @property
    def better(self) -> str:
        """What a better score is than a worse one."""
        return "lower" if self.direction == "min" else "higher"

    @property
    def beyond(self) -> str:
        """Where scores lie that are worse than a limit."""
        return "above" if self.direction == "min" else "below"

    @property
    def within(self) -> str:
        """Where scores lie that are better than a limit."""
        return "below" if self.direction == "min" else "above"

    @property
    def marked(self) -> str:
        """The title, with the word for a metric that nobody checks."""
        return f"{self.title} ({SELF_REPORTED})" if self.self_reported else self.title

    @property
    def width(self) -> int:
        """Columns of its numbers in a table."""
        return 8 if self.is_bpb else WIDTH

    def gain(self, before: float, after: float) -> float:
        """By how much a score is better than an earlier one; negative for a worse one."""
        return before - after if self.direction == "min" else after - before

    def number(self, score: float) -> str:
        """A score: `0.9979`, `87.312`, `1.2346e-5`."""
        return self._written(score, score, "", _DIGITS)

    def rough(self, score: float, beside: float | None = None) -> str:
        """A score that is only estimated, with a digit less, or its spread `beside` such a score"""
        return self._written(score, score if beside is None else beside, "", _DIGITS - 1)

    def change(self, difference: float, beside: float) -> str:
        """A difference of scores with its sign, with the decimals of the score `beside` it."""
        return self._written(difference, beside, "+", _DIGITS)

    def spread(self, size: float, beside: float) -> str:
        """A difference of scores without a sign, such as a standard deviation."""
        return self._written(size, beside, "", _DIGITS)

    def quantity(self, score: float) -> str:
        """A score with what it counts: `0.9979 bpb`, `accuracy 0.8712`."""
        return f"{self.number(score)} bpb" if self.is_bpb else f"{self.title} {self.number(score)}"

    def _written(self, value: float, beside: float, sign: str, digits: int) -> str:
        size = abs(beside)
        if self.is_bpb and max(abs(value), size) < _BPB_BELOW:
            return f"{value:{sign}.{digits}f}"
        if size == 0 or _PLAIN[0] <= size < _PLAIN[1]:
            text = f"{value:{sign}.{_decimals(size, digits)}f}"
            vanishes = value != 0 and not any(digit in text for digit in "123456789")
            if len(text) <= WIDTH and not vanishes:
                return text
            return _scientific(value, f"{sign}#", "g", 2 if vanishes else digits)
        if value == 0:
            return f"{value:{sign}.0f}"
        # Its last digit is worth as much as that of the score beside it.
        return _scientific(value, sign, "e", digits - _exponent(size) + _exponent(value))


VAL_BPB = Metric()


def short_exponent(number: str) -> str:
    """The number without what its exponent does not need: `1.2e-05` is `1.2e-5`."""
    return _EXPONENT.sub(lambda found: f"e{found[1].removeprefix('+')}{found[2]}", number)


def _decimals(size: float, digits: int) -> int:
    """So many that numbers of this size have about `digits` + 1 digits; as many from 0.1 to 10."""
    exponent = 0 if size == 0 else _exponent(size)
    return min(max(digits - exponent - (exponent < 0), 0), digits + 2)


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _scientific(value: float, sign: str, form: str, places: int) -> str:
    """In as many of the places as there is room for."""
    text = ""
    for fewer in range(min(max(places, 0), _DIGITS), -1, -1):
        text = short_exponent(f"{value:{sign}.{fewer}{form}}")
        if len(text) <= WIDTH:
            break
    return text
