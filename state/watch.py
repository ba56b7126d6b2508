"""What a viewer that stays open reads again and again: light, and only what has changed.

with Watcher(find_folder()) as watcher:
    watcher.briefs(), watcher.live(), watcher.samples(), watcher.panels()
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from state.lock import engine_alive
from state.present import DeviceSample, Live, Review
from state.read import Reader
from state.records import Json, Kind, Status

_BRIEF = (
    "SELECT id, epoch_id, kind, status, val_bpb, delta, seconds, wall_seconds, summary, reason, "
    "parent_id, subject_id, slot, started_at, ended_at, EXISTS (SELECT 1 FROM evaluations "
    "WHERE experiment_id = experiments.id AND audited = 1) FROM experiments"
)
_AT_ONCE = 500  # ids in one statement


class Brief(NamedTuple):
    """An experiment as charts and lists show it; `records.Experiment` says what the fields are.

    `audited` ones were found hopeless and let run, to measure how often that is wrong.
    """

    id: int
    epoch_id: int
    kind: Kind
    status: Status
    val_bpb: float | None
    delta: float | None
    seconds: float | None
    wall_seconds: float | None
    summary: str
    reason: str
    parent_id: int | None
    subject_id: int | None
    slot: int | None
    started_at: str | None
    ended_at: str | None
    audited: bool = False


class Watcher(Reader):
    """A `Reader` that also reads the present, and lists ten thousand experiments at once."""

    def briefs(self, ids: Sequence[int] | None = None) -> list[Brief]:
        """Experiments by id, all or some, oldest first."""
        alive = engine_alive(self.folder.lock)
        if ids is None:
            found = self._db.run(lambda db: _briefs(db, "", ()))
        else:
            found = []
            wanted = sorted(set(ids))
            for start in range(0, len(wanted), _AT_ONCE):
                part = tuple(wanted[start : start + _AT_ONCE])
                where = f"WHERE id IN ({', '.join('?' * len(part))})"
                found += self._db.run(lambda db, w=where, p=part: _briefs(db, w, p))  # type: ignore[misc]
        if alive:
            return found
        return [b if b.status != "running" else b._replace(status="interrupted") for b in found]

    def changed(self, after_event: int) -> tuple[int, set[int]]:
        """The last event, and the experiments that events after `after_event` are about."""

        def query(db: sqlite3.Connection) -> tuple[int, set[int]]:
            row = db.execute("SELECT COALESCE(MAX(id), 0) AS last FROM events").fetchone()
            rows = db.execute(
                "SELECT DISTINCT experiment_id AS id FROM events WHERE id > ? "
                "AND experiment_id IS NOT NULL",
                (after_event,),
            )
            return int(row["last"]), {int(found["id"]) for found in rows}

        return self._db.run(query)

    def live(self) -> list[Live]:
        """What the running experiments are doing; none without an engine."""
        if not engine_alive(self.folder.lock):
            return []
        sql = (
            "SELECT l.* FROM live AS l JOIN experiments AS e ON e.id = l.experiment_id "
            "WHERE e.status = 'running' ORDER BY l.experiment_id"
        )
        return self._db.run(lambda db: [Live(**dict(row)) for row in db.execute(sql)])

    def samples(self, after_id: int = 0) -> tuple[int, list[DeviceSample]]:
        """Samples of the devices after one, oldest first, and the id of the last."""
        sql = "SELECT * FROM device_samples WHERE id > ? ORDER BY id"
        rows = self._db.run(lambda db: db.execute(sql, (after_id,)).fetchall())
        samples = [
            DeviceSample(**{name: row[name] for name in DeviceSample.__dataclass_fields__})
            for row in rows
        ]
        return (int(rows[-1]["id"]) if rows else after_id), samples

    def panels(self) -> dict[str, Json]:
        """What the engine says of its policy, oracle and slots, by the panel's name."""
        rows = self._db.run(lambda db: db.execute("SELECT name, data FROM panels").fetchall())
        return {str(row["name"]): json.loads(row["data"]) for row in rows}

    def reviews(self, *, pending: bool = True) -> list[Review]:
        """Reviews in the order of their experiments: those that wait, or all."""
        sql = (
            "SELECT r.* FROM reviews AS r JOIN experiments AS e ON e.id = r.experiment_id "
            "WHERE (r.verdict = 'pending' AND e.status = 'queued') OR ? ORDER BY e.id"
        )
        values = (int(not pending),)
        return self._db.run(lambda db: [Review(**dict(row)) for row in db.execute(sql, values)])

    def with_text(self, text: str, after_id: int = -1) -> set[int]:
        """The experiments after one with a text in their diff or summary, in any case of letters.

        The case of letters counts outside ASCII, as SQLite knows no better.
        """
        sql = (
            "SELECT id FROM experiments WHERE id > ? "
            "AND (instr(lower(diff), lower(?)) OR instr(lower(summary), lower(?)))"
        )
        values = (after_id, text, text)
        return self._db.run(lambda db: {int(row["id"]) for row in db.execute(sql, values)})


def _briefs(db: sqlite3.Connection, where: str, values: Sequence[object]) -> list[Brief]:
    rows = db.execute(f"{_BRIEF} {where} ORDER BY id", values)
    return [Brief._make((*row[:-1], bool(row[-1]))) for row in rows]
