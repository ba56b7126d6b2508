"""Scores as scripts print them: where one stands in a line, and which number it is."""

from __future__ import annotations

import math
import re

LARGEST = 1e100  # scores are squared

_NUMBER = r"[-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b"
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?(?:[eE][-+]?\d+)?")


class ScoreError(ValueError):
    """A printed score that is no number; the sentence is for people."""


def default_pattern(metric: str) -> str:
    """What finds `metric: 0.98`, `metric = 0.98` or `"metric": 0.98` in a line."""
    name = re.escape(metric)  # first, and what may not stand before it after it: twice as quick
    return rf"(?i:{name}(?<![\w.-]{name})[\"']?\s*[:=]\s*[\"']?({_NUMBER}))"


def parse_score(text: str, metric: str) -> float:
    """The number that a script has printed. Raises ScoreError."""
    plain = text.strip(" \t\"'%,;()[]{}").replace("_", "")
    if _THOUSANDS.fullmatch(plain):  # and no decimal comma: 87,5 is no 875
        plain = plain.replace(",", "")
    try:
        value = float(plain)
    except ValueError:
        raise ScoreError(f"what it printed as {metric} is no number: {text[:60]!r}") from None
    if not math.isfinite(value):
        raise ScoreError(f"its {metric} is {value}")
    if abs(value) > LARGEST:
        raise ScoreError(f"its {metric} is {value:g}, which is too large to compare")
    return value
