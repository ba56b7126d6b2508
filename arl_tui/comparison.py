"""Two experiments side by side: one diff from source to source, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.cells import set_cell_size

from state.metric import Metric
from state.read import Reader
from state.records import Experiment
from target.diff import titled, unified_diff

_NAME = 9  # columns of the longest name of a row


@dataclass(frozen=True)
class Comparison:
    """What changed from one experiment's source to another's; `source` is the latter."""

    start: Experiment
    end: Experiment
    diff: str
    source: str
    metric: Metric


def compare(reader: Reader, start_id: int, end_id: int) -> Comparison:
    """Compare two experiments. Raises NoSuchExperiment."""
    start, end = reader.experiment(start_id), reader.experiment(end_id)
    diff, source = source_diff(reader, start, end), reader.source(end.source_sha)
    return Comparison(start, end, diff, source, Metric.of(reader.study()))


def source_diff(reader: Reader, start: Experiment, end: Experiment) -> str:
    """The change from one experiment's source to another's; empty when they are equal."""
    if start.source_sha == end.source_sha:
        return ""
    return unified_diff(
        reader.source(start.source_sha),
        reader.source(end.source_sha),
        Path(reader.study().target_name).name,
    )


def own_diff(reader: Reader, experiment: Experiment) -> str:
    """The experiment's edit, under the name of the study's script; empty when there is none."""
    return titled(experiment.diff, Path(reader.study().target_name).name)


def number_lines(start: Experiment, end: Experiment, metric: Metric) -> list[str]:
    """The numbers of both, and what lies between them, in aligned columns."""
    name = metric.title if len(metric.title) <= _NAME else "score"
    rows = [
        ("", f"#{start.id}", f"#{end.id}", "change"),
        ("status", start.status, end.status, ""),
        (name, *_scores(start.val_bpb, end.val_bpb, metric)),
        ("seconds", *_pair(start.seconds, end.seconds, ".1f")),
        ("steps", *_pair(start.steps, end.steps, ".0f")),
        ("memory MB", *_pair(start.peak_memory_mb, end.peak_memory_mb, ".0f")),
    ]
    for name, share in (("waited %", "contention"), ("others %", "other_load")):
        a, b = _percent(getattr(start, share)), _percent(getattr(end, share))
        if a is not None or b is not None:
            rows.append((name, *_pair(a, b, ".1f")))
    return [
        f"{set_cell_size(name, _NAME + 1)}{a:>12}{b:>12}{change:>12}".rstrip()
        for name, a, b, change in rows
    ]


def _scores(start: float | None, end: float | None, metric: Metric) -> tuple[str, str, str]:
    texts = ["-" if value is None else metric.number(value) for value in (start, end)]
    if start is None or end is None:
        return texts[0], texts[1], ""
    return texts[0], texts[1], metric.change(end - start, end)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _pair(start: float | None, end: float | None, form: str) -> tuple[str, str, str]:
    texts = ["-" if value is None else format(value, form) for value in (start, end)]
    if start is None or end is None:
        return texts[0], texts[1], ""
    return texts[0], texts[1], format(end - start, "+" + form)
