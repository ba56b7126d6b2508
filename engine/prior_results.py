"""Reads a results.tsv: what was tried before the study, in the columns of karpathy/autoresearch.

Those are commit, the score's name, memory_gb, status and description, with a header. People and
language models write such files, so that a line which is wrong is left out and said, and a column
that is missing is empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from state.records import PriorResult

_SCORES = ("val_bpb", "score")  # where no column has the metric's name
_LONGEST = 2000  # characters of one value
_MOST = 100_000  # lines
_SAID = 3  # wrong lines that are told one by one
_MEMORY = {"memory_mb": 1.0, "peak_vram_mb": 1.0, "memory_gb": 1024.0}


def parse_results(text: str, metric: str) -> tuple[list[PriorResult], list[str]]:
    """The results in a file's text, in its order, and sentences on what is wrong with it.

    A run that crashed has no score. Memory is in MiB.
    """
    # Lines end at no other character: descriptions may hold what Python counts as line ends, too.
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff").rstrip("\r\n"))
    header = [name.strip().lower() for name in lines[0].split("\t")]
    score = next((name for name in (metric.lower(), *_SCORES) if name in header), None)
    if score is None:
        return [], [f"it has no header with a column {metric}, as in commit, {metric}, status"]
    found: list[PriorResult] = []
    wrong: list[str] = []
    for number, line in enumerate(lines[1:_MOST], 2):
        if not line.strip():
            continue
        values = [value.strip()[:_LONGEST] for value in line.split("\t")]
        if len(values) > len(header):  # a tab within the description, which comes last
            values[len(header) - 1 :] = [" ".join(values[len(header) - 1 :])]
        row = dict(zip(header, values, strict=False))
        result = _result(len(found), row, score)
        if isinstance(result, str):
            wrong.append(f"line {number} is left out: {result}")
        else:
            found.append(result)
    if len(lines) > _MOST:
        wrong.append(f"it has more than {_MOST:,} lines: the others are left out")
    if len(wrong) > _SAID:
        wrong[_SAID:] = [f"{len(wrong) - _SAID} more lines are left out for such reasons"]
    return found, wrong


def _result(position: int, row: Mapping[str, str], score: str) -> PriorResult | str:
    """The result of a row, or why it is none."""
    status = row.get("status", "").lower()
    text = row.get(score, "")
    value = _number(text)
    if value is None and text.lower() not in ("", "-", "n/a", "na", "nan", "none"):
        return f"{text!r} is no number"
    if value is None and not status:
        return "it has neither a score nor a status"
    memory = next(
        (
            n * unit
            for name, unit in _MEMORY.items()
            if (n := _number(row.get(name, ""))) is not None
        ),
        None,
    )
    crashed = status not in ("", "keep", "discard") and not value
    return PriorResult(
        position=position,
        commit=row.get("commit", ""),
        score=None if crashed else value,
        memory_mb=memory or None,  # a crash is written as 0.0
        status=status,
        description=row.get("description", ""),
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
