"""Two experiments side by side: one diff from source to source, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from state.read import Reader
from state.records import Experiment
from target.diff import unified_diff


@dataclass(frozen=True)
class Comparison:
    """What changed from one experiment's source to another's; `source` is the latter."""

    start: Experiment
    end: Experiment
    diff: str
    source: str


def compare(reader: Reader, start_id: int, end_id: int) -> Comparison:
    """Compare two experiments. Raises NoSuchExperiment."""
    start, end = reader.experiment(start_id), reader.experiment(end_id)
    return Comparison(start, end, source_diff(reader, start, end), reader.source(end.source_sha))


def source_diff(reader: Reader, start: Experiment, end: Experiment) -> str:
    """The change from one experiment's source to another's; empty when they are equal."""
    if start.source_sha == end.source_sha:
        return ""
    return unified_diff(
        reader.source(start.source_sha),
        reader.source(end.source_sha),
        Path(reader.study().target_name).name,
    )


def number_lines(start: Experiment, end: Experiment) -> list[str]:
    """The numbers of both, and what lies between them, in aligned columns."""
    rows = [
        ("", f"#{start.id}", f"#{end.id}", "change"),
        ("status", start.status, end.status, ""),
        ("val-bpb", *_pair(start.val_bpb, end.val_bpb, ".4f")),
        ("seconds", *_pair(start.seconds, end.seconds, ".1f")),
        ("steps", *_pair(start.steps, end.steps, ".0f")),
        ("memory MB", *_pair(start.peak_memory_mb, end.peak_memory_mb, ".0f")),
    ]
    for name, share in (("waited %", "contention"), ("others %", "other_load")):
        a, b = _percent(getattr(start, share)), _percent(getattr(end, share))
        if a is not None or b is not None:
            rows.append((name, *_pair(a, b, ".1f")))
    return [f"{name:<10}{a:>12}{b:>12}{change:>12}".rstrip() for name, a, b, change in rows]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _pair(start: float | None, end: float | None, form: str) -> tuple[str, str, str]:
    texts = ["-" if value is None else format(value, form) for value in (start, end)]
    if start is None or end is None:
        return texts[0], texts[1], ""
    return texts[0], texts[1], format(end - start, "+" + form)
