"""What the engine asks its store; the questions see only whole transactions.

Scores are given so that lower is better, whatever the metric's direction (state/orientation.py).
"""

from __future__ import annotations

from dataclasses import replace

from state import lifecycle
from state.connection import Connection
from state.errors import NoSuchExperiment, StoreCorrupt
from state.metric import Metric
from state.orientation import Orientation
from state.records import (
    Epoch,
    Evaluation,
    Event,
    Experiment,
    Incumbent,
    LogEntry,
    PolicyState,
    Study,
)
from state.rows import (
    SELECT_EXPERIMENT,
    to_epoch,
    to_evaluation,
    to_event,
    to_experiment,
    to_incumbent,
    to_log_entry,
    to_policy_state,
    to_study,
)
from state.standing import Changes, Seen, read_changes


class Queries:
    """The reading half of the store. Every method raises a StoreError when it cannot read."""

    def __init__(self, connection: Connection, metric: Metric) -> None:
        self.metric = metric
        self._connection = connection
        self._orientation = Orientation(metric.direction)

    async def study(self) -> Study:
        """The study's row."""
        return await read_study(self._connection)

    async def epochs(self) -> list[Epoch]:
        """Every epoch, the current one last."""
        async with self._connection.reading() as t:
            return [to_epoch(row) for row in await t.all("SELECT * FROM epochs ORDER BY id")]

    async def queue(self) -> list[Experiment]:
        """What waits to run: queued and interrupted experiments, in the order of their ids."""
        return await self._experiments("WHERE status IN ('queued', 'interrupted')")

    async def untold(self) -> list[Experiment]:
        """Ended experiments that the policy asked for and has not been told about."""
        return await self._experiments(
            "WHERE ended_at IS NOT NULL AND id IN (SELECT experiment_id FROM policy_log "
            "GROUP BY experiment_id HAVING MAX(operation = 'ask') AND NOT MAX(operation = 'tell'))"
        )

    async def experiments(self) -> list[Experiment]:
        """Every experiment, oldest first."""
        return await self._experiments("")

    async def changes(self, seen: Seen) -> Changes:
        """What has changed since something was seen; at first, everything."""
        async with self._connection.reading() as t:
            found = await read_changes(t, seen)
        turned = tuple(map(self._orientation.record, found.incumbents))
        return replace(found, incumbents=turned)

    async def meters(self) -> dict[str, float]:
        """What the study has used so far, by name."""
        async with self._connection.reading() as t:
            rows = await t.all("SELECT name, value FROM meters")
        return {str(row["name"]): float(row["value"]) for row in rows}

    async def evaluations(self) -> dict[int, Evaluation]:
        """What self-evaluation saw of the experiments that have ended, by their ids."""
        async with self._connection.reading() as t:
            rows = await t.all("SELECT * FROM evaluations ORDER BY experiment_id")
        turn = self._orientation.evaluation
        return {int(row["experiment_id"]): turn(to_evaluation(row)) for row in rows}

    async def experiment(self, experiment_id: int) -> Experiment:
        """One experiment. Raises NoSuchExperiment."""
        async with self._connection.reading() as t:
            return self._orientation.record(await lifecycle.get(t, experiment_id))

    async def incumbent(self) -> Incumbent | None:
        """The incumbent of the current epoch, or None before there is one."""
        async with self._connection.reading() as t:
            row = await t.one(
                "SELECT * FROM incumbents WHERE epoch_id = (SELECT MAX(id) FROM epochs) "
                "ORDER BY seq DESC LIMIT 1"
            )
        return None if row is None else self._orientation.record(to_incumbent(row))

    async def incumbents(self) -> list[Incumbent]:
        """Every incumbent of every epoch, oldest first."""
        async with self._connection.reading() as t:
            rows = await t.all("SELECT * FROM incumbents")
        return [self._orientation.record(to_incumbent(row)) for row in rows]

    async def source(self, sha256: str) -> str:
        """The text of a source. Raises NoSuchExperiment when no experiment has it."""
        async with self._connection.reading() as t:
            row = await t.one("SELECT text FROM sources WHERE sha256 = ?", (sha256,))
        if row is None:
            raise NoSuchExperiment(f"No experiment of this study has the source {sha256}.")
        return str(row["text"])

    async def latest_policy_state(self) -> PolicyState | None:
        """The policy state saved last, or None."""
        async with self._connection.reading() as t:
            row = await t.one("SELECT * FROM policy_states ORDER BY id DESC LIMIT 1")
        return None if row is None else to_policy_state(row)

    async def policy_log(self, after_seq: int = 0) -> list[LogEntry]:
        """The policy's asks, tells and observations after entry `after_seq`, in order."""
        async with self._connection.reading() as t:
            rows = await t.all("SELECT * FROM policy_log WHERE seq > ? ORDER BY seq", (after_seq,))
        return [to_log_entry(row) for row in rows]

    async def events(self, after_id: int = 0, type_: str | None = None) -> list[Event]:
        """The events after `after_id`, in order; of one type if given. Their data is for viewers:
        scores in it are as the metric counts them.
        """
        async with self._connection.reading() as t:
            rows = await t.all(
                "SELECT * FROM events WHERE id > ? AND (? IS NULL OR type = ?) ORDER BY id",
                (after_id, type_, type_),
            )
        return [to_event(row) for row in rows]

    async def _experiments(self, where: str) -> list[Experiment]:
        async with self._connection.reading() as t:
            rows = await t.all(f"{SELECT_EXPERIMENT} {where} ORDER BY id")
        return [self._orientation.record(to_experiment(row)) for row in rows]


async def read_study(connection: Connection) -> Study:
    """The study's row. Raises StoreCorrupt when there is none."""
    async with connection.reading() as t:
        row = await t.one("SELECT * FROM study")
    if row is None:
        raise StoreCorrupt(f"{connection.path} holds no study.")
    return to_study(row)
