"""The filter of the history: `keep bpb<0.98 -sentinel "two words"`.

Words joined by spaces must all hold, and `-` or `!` before a word negates it. A word is a status
or kind, `failed`, `audited`, an experiment's number, a comparison such as `delta<0`, or text to be
found in the diff or summary; what stands in quotes is always text. A score is compared as `bpb`,
as `score`, or by the name of the study's metric.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from state.metric import VAL_BPB, Metric
from state.records import FAILED, KINDS, STATUSES
from state.watch import Brief

Found: TypeAlias = Mapping[str, Collection[int]]
"""For each text of a filter, the experiments that have it."""

NUMBERS: Mapping[str, Callable[[Brief], float | None]] = {
    "bpb": lambda brief: brief.val_bpb,
    "delta": lambda brief: brief.delta,
    "seconds": lambda brief: brief.seconds,
    "id": lambda brief: brief.id,
}
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
_WORD = re.compile(r'\s*([-!]?)(?:"([^"]*)"|([^\s"]+))')
_SIGNS = "<=|>=|!=|<|>|="
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_ID = re.compile(r"#?(\d{1,18})", re.ASCII)


class FilterError(ValueError):
    """A filter that means nothing: one sentence for people."""


@dataclass(frozen=True)
class Term:
    """One word of a filter. With `text`, what the database has found decides."""

    negated: bool
    holds: Callable[[Brief], bool] | None
    text: str = ""


@dataclass(frozen=True)
class Filter:
    """Which experiments to list; without terms, all of them."""

    terms: tuple[Term, ...] = ()

    @property
    def texts(self) -> frozenset[str]:
        """What has to be looked for in the database."""
        return frozenset(term.text for term in self.terms if term.holds is None)

    def matches(self, brief: Brief, found: Found) -> bool:
        """Whether an experiment is to be listed; `found` answers for each of `texts`."""
        for term in self.terms:
            holds = brief.id in found[term.text] if term.holds is None else term.holds(brief)
            if holds == term.negated:
                return False
        return True


def parse(text: str, metric: Metric = VAL_BPB) -> Filter:
    """The filter that a person has written. Raises FilterError."""
    terms, at = [], 0
    text = text.rstrip()
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None:
            raise FilterError('A quotation mark is missing: write "two words".')
        sign, quoted, plain = word.groups()
        at = word.end()
        if quoted is None:
            terms.append(_term(sign, plain, metric))
        elif quoted:
            terms.append(Term(bool(sign), None, quoted))
    return Filter(tuple(terms))


def _term(sign: str, word: str, metric: Metric) -> Term:
    lower = word.lower()
    number = _ID.fullmatch(word)
    holds: Callable[[Brief], bool] | None = None
    if lower in STATUSES:
        holds = lambda brief: brief.status == lower  # noqa: E731
    elif lower in KINDS:
        holds = lambda brief: brief.kind == lower  # noqa: E731
    elif lower == "failed":
        holds = lambda brief: brief.status in FAILED  # noqa: E731
    elif lower == "audited":
        holds = lambda brief: brief.audited  # noqa: E731
    elif number is not None:
        wanted = int(number[1])
        holds = lambda brief: brief.id == wanted  # noqa: E731
    else:
        holds = _comparison(word, metric)
    return Term(bool(sign), holds, "" if holds else word)


def _comparison(word: str, metric: Metric) -> Callable[[Brief], bool] | None:
    """What a comparison says; None when the word is none. Raises FilterError."""
    own = metric.name.lower()  # it may hold any sign
    found = re.fullmatch(rf"({re.escape(own)}|\w+)({_SIGNS})(.*)", word.lower(), re.DOTALL)
    if found is None:
        return None
    name, sign, number = found.groups()
    value = NUMBERS.get("bpb" if name in (own, "score") and name not in NUMBERS else name)
    if value is None:
        names = ", ".join(NUMBERS if metric.is_bpb else ("score", *list(NUMBERS)[1:]))
        raise FilterError(f"{word} compares none of {names}: put it in quotes to find it as text.")
    if not _NUMBER.fullmatch(number):
        raise FilterError(f"{word} needs a number after {sign}, such as {name}{sign}0.98.")
    compare, limit = _COMPARE[sign], float(number)

    def holds(brief: Brief) -> bool:
        measured = value(brief)
        return measured is not None and compare(measured, limit)

    return holds
