"""A whole study as one JSON object, written piece by piece: docs/export.md describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from state.archive import Archive
from state.documents import PROGRAM
from state.records import Evaluation, Experiment, Json, Study

FORMAT = 1
"""Grows when what a reader relies on changes; further keys may come without that."""


def study_json(archive: Archive, *, sources: bool = False) -> Iterator[str]:
    """The text of the object, in pieces; experiments, events and sources have a line each.

    With `sources` it holds the text of every source by its SHA-256.
    """
    now = archive.status()
    epoch_id = None if now.epoch is None else now.epoch.id
    yield "{\n"
    yield _entry("format", FORMAT)
    yield _entry("study", _study(now.study))
    yield _entry(
        "now",
        {
            "state": now.state,
            "reason": now.reason,
            "experiments": now.experiments,
            "counts": now.counts,
            "baseline": now.baseline,
            "best": now.best,
            "best_id": now.best_id,
            "sigma": now.sigma,
            "contention": now.contention,
        },
    )
    yield _entry("epochs", [asdict(epoch) for epoch in archive.epochs()])
    yield _entry("incumbents", [asdict(one) for one in archive.incumbents()])
    yield _entry("program", archive.document(PROGRAM))
    yield _entry("prior_results", [asdict(one) for one in archive.prior_results()])
    yield _entry("reviews", [asdict(review) for review in archive.reviews(pending=False)])
    yield from _listed("experiments", _experiments(archive, epoch_id))
    yield ",\n"
    yield from _listed("events", (asdict(event) for event in archive.all_events()))
    if sources:
        yield ",\n"
        texts = (f"{_text(sha)}: {_text(text)}" for sha, text in archive.sources())
        yield from _lines('"sources": {', texts, "}")
    yield "\n}\n"


def _study(study: Study) -> Json:
    """The study's row; values of environment variables may be secrets, and are left out."""
    row = asdict(study)
    settings = row["settings"]
    access = settings.get("access") if isinstance(settings, dict) else None
    if isinstance(access, dict) and isinstance(access.get("env"), dict):
        row["settings"] = settings | {"access": access | {"env": dict.fromkeys(access["env"])}}
    return row


def _experiments(archive: Archive, epoch_id: int | None) -> Iterator[Json]:
    evaluations = archive.all_evaluations()
    number, seen = next(evaluations, (None, None))
    for experiment in archive.experiments():
        while number is not None and number < experiment.id:
            number, seen = next(evaluations, (None, None))
        mine = seen if number == experiment.id else None
        yield _experiment(experiment, mine, epoch_id)


def _experiment(
    experiment: Experiment, evaluation: Evaluation | None, epoch_id: int | None
) -> Json:
    row = dict(vars(experiment))  # not `asdict`, which copies every edit
    del row["process"]
    row["comparable"] = experiment.epoch_id == epoch_id
    row["evaluation"] = None if evaluation is None else asdict(evaluation)
    return row


def _entry(key: str, value: Json) -> str:
    return f"{_text(key)}: {_text(value)},\n"


def _listed(key: str, values: Iterable[Json]) -> Iterator[str]:
    yield from _lines(f"{_text(key)}: [", map(_text, values), "]")


def _lines(head: str, items: Iterable[str], tail: str) -> Iterator[str]:
    """The items in lines of their own, with commas between them."""
    yield head
    separator = "\n"
    for item in items:
        yield separator + item
        separator = ",\n"
    yield f"\n{tail}"


def _text(value: Json) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    """The value with null in place of numbers that JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
