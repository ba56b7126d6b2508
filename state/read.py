"""The read models of a study for viewers: synchronous, read-only, and right while it runs.

with Reader(find_folder()) as reader:
    reader.status(), reader.history(), reader.curve(3)
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from state.errors import NoSuchExperiment, StoreCorrupt
from state.folder import StudyFolder, require_study
from state.lock import engine_alive, engine_pid
from state.readonly import ReadOnly
from state.records import (
    CONTENTION,
    Epoch,
    Evaluation,
    Event,
    Experiment,
    Incumbent,
    Kind,
    Point,
    PriorResult,
    Status,
    Study,
    StudyState,
)
from state.rows import (
    SELECT_EXPERIMENT,
    to_epoch,
    to_evaluation,
    to_event,
    to_experiment,
    to_incumbent,
    to_points,
    to_prior_result,
    to_study,
)


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    """Where a study stands. Scores are of the current epoch, None while not measured in it.

    `state` is what is so now: a study whose engine died says `stopped`. `baseline` is the mean
    val_bpb of the baseline and its re-runs, `best` the incumbent's mean score, `sigma` the
    noise of one run, `engine_pid` None when no engine runs. `contention` says with numbers that
    the last trials shared the processors; None when they had them to themselves.
    """

    study: Study
    state: StudyState
    reason: str
    epoch: Epoch | None
    experiments: int
    counts: dict[str, int]
    baseline: float | None
    best: float | None
    best_id: int | None
    sigma: float | None
    engine_pid: int | None
    contention: str | None = None


class Reader:
    """A viewer's window on the study in `folder`. It creates, locks and migrates nothing.

    One thread at a time may use it. Every method raises a StoreError when it cannot read.
    """

    def __init__(self, folder: StudyFolder) -> None:
        """Raises StoreMissing, StoreNewer, StoreOlder or StoreCorrupt."""
        require_study(folder)
        self.folder = folder
        self._db = ReadOnly(folder.database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def data_version(self) -> int:
        """A number that changes when anything in the database has changed; cheap to poll."""
        return self._db.data_version()

    def study(self) -> Study:
        """The study's row as recorded; `status` says whether its engine still lives."""
        return self._db.run(_study)

    def epoch(self) -> Epoch | None:
        """The current epoch, or None before the first."""
        return self._db.run(_epoch)

    def epochs(self) -> list[Epoch]:
        """Every epoch, the current one last."""
        return self._db.run(
            lambda db: [to_epoch(row) for row in db.execute("SELECT * FROM epochs ORDER BY id")]
        )

    def status(self) -> StudyStatus:
        """Where the study stands now."""
        pid = engine_pid(self.folder.lock)
        alive = pid is not None

        def query(db: sqlite3.Connection) -> StudyStatus:
            study, epoch = _study(db), _epoch(db)
            dead = study.state in ("running", "paused") and not alive
            best = _best(db)
            measured = best if best and epoch and best.epoch_id == epoch.id else None
            counts = _counts(db, alive)
            return StudyStatus(
                study=study,
                state="stopped" if dead else study.state,
                reason="the engine ended unexpectedly" if dead else study.stop_reason,
                epoch=epoch,
                experiments=sum(counts.values()),
                counts=counts,
                baseline=_baseline(db),
                best=measured.score if measured else None,
                best_id=best.experiment_id if best else None,
                sigma=measured.sigma if measured else None,
                engine_pid=pid,
                contention=_contention(db),
            )

        return self._db.run(query)

    def counts(self) -> dict[str, int]:
        """How many experiments have each status; those that have none are left out."""
        alive = engine_alive(self.folder.lock)
        return self._db.run(lambda db: _counts(db, alive))

    def history(
        self,
        *,
        status: Status | None = None,
        kind: Kind | None = None,
        after_id: int = -1,
        last: int | None = None,
    ) -> list[Experiment]:
        """Experiments, oldest first: those of a status or kind, after an id, or the last few."""
        alive = engine_alive(self.folder.lock)
        where: list[str] = ["id > ?"]
        values: list[object] = [after_id]
        if kind is not None:
            where.append("kind = ?")
            values.append(kind)
        if status is not None:
            recorded = _recorded(status, alive)
            where.append(f"status IN ({', '.join('?' * len(recorded))})")
            values.extend(recorded)
        sql = f"{SELECT_EXPERIMENT} WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
        values.append(-1 if last is None else last)
        rows = self._db.run(lambda db: db.execute(sql, values).fetchall())
        return [as_it_is(to_experiment(row), alive) for row in reversed(rows)]

    def experiment(self, experiment_id: int) -> Experiment:
        """One experiment. Raises NoSuchExperiment."""
        alive = engine_alive(self.folder.lock)
        sql = f"{SELECT_EXPERIMENT} WHERE id = ?"
        # SQLite's integers end at 64 bits, and no study has that many experiments.
        known = 0 <= experiment_id < 1 << 63
        row = self._one(sql, experiment_id) if known else None
        if row is None:
            raise NoSuchExperiment(f"There is no experiment {experiment_id} in this study.")
        return as_it_is(to_experiment(row), alive)

    def curve(self, experiment_id: int, attempt: int | None = None) -> list[Point]:
        """The loss curve of an attempt, by default of the latest that has one; maybe empty."""
        row = self._trace("points", "curves", experiment_id, attempt)
        return [] if row is None else to_points(row["points"])

    def evaluation(self, experiment_id: int) -> Evaluation | None:
        """What self-evaluation saw of an experiment that has ended; None if it did not look."""
        row = self._one("SELECT * FROM evaluations WHERE experiment_id = ?", experiment_id)
        return None if row is None else to_evaluation(row)

    def log(self, experiment_id: int, attempt: int | None = None) -> str:
        """What an attempt printed, by default the latest that did: untrusted text, maybe empty."""
        row = self._trace("text", "logs", experiment_id, attempt)
        return "" if row is None else str(row["text"])

    def source(self, sha256: str) -> str:
        """The text of a source. Raises NoSuchExperiment when no experiment has it."""
        row = self._one("SELECT text FROM sources WHERE sha256 = ?", sha256)
        if row is None:
            raise NoSuchExperiment(f"No experiment of this study has the source {sha256}.")
        return str(row["text"])

    def best(self) -> Incumbent | None:
        """The latest incumbent, maybe of an earlier epoch; None before the baseline has scored.

        Until an incumbent is recorded it is the kept baseline, as seq 0 with an unknown sigma.
        """
        return self._db.run(_best)

    def incumbents(self) -> list[Incumbent]:
        """Every incumbent so far, oldest first: the staircase of the chart."""
        return self._db.run(
            lambda db: [
                to_incumbent(row) for row in db.execute("SELECT * FROM incumbents ORDER BY seq")
            ]
        )

    def events(
        self, after_id: int = 0, limit: int | None = None, type_: str | None = None
    ) -> list[Event]:
        """What the engine did after event `after_id`, in order; at most `limit`, the earliest.

        Only events of one type, if it is given.
        """
        sql = "SELECT * FROM events WHERE id > ? AND (? IS NULL OR type = ?) ORDER BY id LIMIT ?"
        values = (after_id, type_, type_, -1 if limit is None else limit)
        return [
            to_event(row) for row in self._db.run(lambda db: db.execute(sql, values).fetchall())
        ]

    def document(self, name: str) -> str | None:
        """A text that the study was given, such as `program`: untrusted; None without one."""
        row = self._one("SELECT text FROM documents WHERE name = ?", name)
        return None if row is None else str(row["text"])

    def prior_results(self) -> list[PriorResult]:
        """What was tried before the study, in its order: not comparable with its experiments."""
        sql = "SELECT * FROM prior_results ORDER BY position"
        rows = self._db.run(lambda db: db.execute(sql).fetchall())
        return [to_prior_result(row) for row in rows]

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        return self._db.run(lambda db: _first(db, sql, values))

    def _trace(
        self, column: str, table: str, experiment_id: int, attempt: int | None
    ) -> sqlite3.Row | None:
        return self._one(
            f"SELECT {column} FROM {table} WHERE experiment_id = ? "
            "AND (? IS NULL OR attempt = ?) ORDER BY attempt DESC LIMIT 1",
            experiment_id,
            attempt,
            attempt,
        )


def as_it_is(experiment: Experiment, alive: bool) -> Experiment:
    """What a dead engine left as `running` is interrupted: nothing runs without an engine."""
    if experiment.status == "running" and not alive:
        return replace(experiment, status="interrupted", process=None)
    return experiment


def _recorded(status: Status, alive: bool) -> tuple[Status, ...]:
    """The recorded statuses that a viewer sees as `status`."""
    if alive or status not in ("running", "interrupted"):
        return (status,)
    return ("running", "interrupted") if status == "interrupted" else ()


def _first(db: sqlite3.Connection, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(sql, values).fetchone()
    return row


def _study(db: sqlite3.Connection) -> Study:
    row = _first(db, "SELECT * FROM study")
    if row is None:
        raise StoreCorrupt("The study's database holds no study.")
    return to_study(row)


def _epoch(db: sqlite3.Connection) -> Epoch | None:
    row = _first(db, "SELECT * FROM epochs ORDER BY id DESC LIMIT 1")
    return None if row is None else to_epoch(row)


def _counts(db: sqlite3.Connection, alive: bool) -> dict[str, int]:
    rows = db.execute("SELECT status, COUNT(*) AS n FROM experiments GROUP BY status")
    counts: dict[str, int] = {row["status"]: row["n"] for row in rows}
    if "running" in counts and not alive:
        counts["interrupted"] = counts.get("interrupted", 0) + counts.pop("running")
    return counts


def _baseline(db: sqlite3.Connection) -> float | None:
    row = _first(
        db,
        "SELECT AVG(val_bpb) AS mean FROM experiments WHERE kind <> 'candidate' AND (epoch_id, "
        "source_sha) = (SELECT epoch_id, source_sha FROM experiments WHERE kind = 'baseline' "
        "ORDER BY epoch_id DESC LIMIT 1) AND epoch_id = (SELECT MAX(id) FROM epochs)",
    )
    return None if row is None else row["mean"]


def _contention(db: sqlite3.Connection) -> str | None:
    sql = "SELECT data FROM events WHERE type = ? ORDER BY id DESC LIMIT 1"
    row = _first(db, sql, (CONTENTION,))
    data = {} if row is None else json.loads(row["data"])
    return data["sentence"] if data.get("contended") else None


def _best(db: sqlite3.Connection) -> Incumbent | None:
    row = _first(db, "SELECT * FROM incumbents ORDER BY seq DESC LIMIT 1")
    if row is not None:
        return to_incumbent(row)
    row = _first(
        db,
        "SELECT 0 AS seq, epoch_id, id AS experiment_id, ended_at AS since, val_bpb AS score, "
        "NULL AS sigma FROM experiments WHERE kind = 'baseline' AND status = 'keep' "
        "ORDER BY id LIMIT 1",
    )
    return None if row is None else to_incumbent(row)
