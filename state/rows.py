"""Between the database's rows and the records: one place for the engine and the viewers."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from state.errors import StoreConflict
from state.records import (
    Epoch,
    Evaluation,
    Event,
    Experiment,
    Incumbent,
    Json,
    LogEntry,
    Look,
    Point,
    PolicyState,
    PriorResult,
    Process,
    Study,
)

_SUPERVISOR = ("supervisor_pid", "supervisor_start", "supervisor_boot")
_COLUMNS = (*(f.name for f in fields(Experiment) if f.name != "process"), *_SUPERVISOR)
SELECT_EXPERIMENT = f"SELECT {', '.join(_COLUMNS)} FROM experiments"


def utc_now() -> str:
    """The time now, UTC, ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def source_sha256(text: str) -> str:
    """SHA-256 in hex of a source's UTF-8 bytes. Raises StoreConflict for what is not text."""
    try:
        return hashlib.sha256(text.encode("utf-8")).hexdigest()
    except UnicodeEncodeError as error:
        raise StoreConflict(
            f"A source must be Unicode text that UTF-8 can hold ({error})."
        ) from error


def dump_json(value: Json) -> str:
    """JSON text of `value`. Raises StoreConflict for what is not JSON; NaN is not."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise StoreConflict(f"This cannot be kept as JSON ({error}): {value!r:.200}") from error


def finite(values: Mapping[str, Any]) -> None:
    """Raise StoreConflict when one of the numbers is NaN or infinite."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise StoreConflict(f"{name} is {value}, which is not a number to be kept.")


def to_study(row: sqlite3.Row) -> Study:
    values = dict(row)
    values["settings"] = json.loads(values["settings"])
    values["supervised"] = bool(values["supervised"])
    return Study(**values)


def to_epoch(row: sqlite3.Row) -> Epoch:
    values = dict(row)
    values["environment"] = json.loads(values["environment"])
    return Epoch(**values)


def to_experiment(row: sqlite3.Row) -> Experiment:
    """From a row of SELECT_EXPERIMENT, by position: looking up names costs more than the query."""
    values = dict(zip(_COLUMNS, row, strict=True))
    pid, start_time, boot_id = (values.pop(name) for name in _SUPERVISOR)
    values["process"] = None if pid is None else Process(pid, start_time, boot_id)
    values["edit"] = json.loads(values["edit"])
    values["timing"] = None if values["timing"] is None else json.loads(values["timing"])
    return Experiment(**values)


def to_incumbent(row: sqlite3.Row) -> Incumbent:
    return Incumbent(**dict(row))


def to_event(row: sqlite3.Row) -> Event:
    values = dict(row)
    values["data"] = json.loads(values["data"])
    return Event(**values)


def to_log_entry(row: sqlite3.Row) -> LogEntry:
    return LogEntry(**dict(row))


def to_policy_state(row: sqlite3.Row) -> PolicyState:
    return PolicyState(**dict(row))


def to_prior_result(row: sqlite3.Row) -> PriorResult:
    return PriorResult(**dict(row))


def to_evaluation(row: sqlite3.Row) -> Evaluation:
    return Evaluation(
        looks=tuple(Look(**look) for look in json.loads(row["looks"])),
        condemned_at=row["condemned_at"],
        audit_probability=row["audit_probability"],
        audited=bool(row["audited"]),
    )


def to_points(text: str) -> list[Point]:
    return [(progress, step, loss) for progress, step, loss in json.loads(text)]
