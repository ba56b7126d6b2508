"""The store: the engine's one way to write a study. Every method is one transaction.

What a method has returned from is on the disk. A method that raises, or a process that dies
inside one, has changed nothing. A cancelled caller's transaction is finished first. Scores are
taken and given so that lower is better (state/orientation.py); the data of events is not touched.

    async with Store.create(folder, study) as store: ...
    async with Store.open(folder) as store: ...
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from state import lifecycle, publishing, schema
from state.blobs import sync_folder
from state.connection import Connection, connect
from state.documents import Documents
from state.errors import StoreConflict, from_os
from state.folder import StudyFolder, refuse_network, require_study
from state.metric import Metric
from state.present import Present
from state.queries import read_study
from state.records import (
    Evaluation,
    Experiment,
    Json,
    NewEpoch,
    NewExperiment,
    NewStudy,
    Operation,
    Outcome,
    Point,
    Process,
    StudyState,
)
from state.rows import (
    SELECT_EXPERIMENT,
    dump_json,
    finite,
    to_experiment,
    utc_now,
)
from state.trim import plain_text


class Store(Documents):
    """The open database of one study, with one writer: this object.

    Every method raises a StoreError when the database cannot be used: StoreFull, StoreCorrupt,
    StoreBusy; StoreConflict for what the rules of a study forbid; NoSuchExperiment.
    """

    def __init__(self, folder: StudyFolder, connection: Connection, metric: Metric) -> None:
        super().__init__(connection, metric)
        self.folder = folder

    @classmethod
    @asynccontextmanager
    async def create(cls, folder: StudyFolder, study: NewStudy) -> AsyncIterator[Store]:
        """Make the folder and a new study in it, and open it.

        The database appears whole, with its study, or not at all. Raises StoreConflict when the
        folder holds a study already, StoreOnNetwork on a network file system.
        """
        folder.make()
        if folder.exists:
            raise StoreConflict(f"{folder.path} already holds a study.")
        draft = folder.database.with_name("study.db.new")
        try:
            for suffix in ("", "-wal", "-shm", "-journal"):  # of a start that was killed
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
            schema.create(draft)
            async with connect(draft) as connection:
                await _insert_study(connection, study)
            os.rename(draft, folder.database)
            sync_folder(folder.path)
        except OSError as error:
            raise from_os(error, folder.database) from error
        async with cls.open(folder) as store:
            yield store

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: StudyFolder) -> AsyncIterator[Store]:
        """Open the folder's study, after any migration that it needs.

        Raises StoreMissing, StoreNewer, StoreCorrupt, StoreOnNetwork or StoreBusy.
        """
        require_study(folder)
        refuse_network(folder.path)
        async with connect(folder.database) as connection:
            yield cls(folder, connection, Metric.of(await read_study(connection)))

    # The study and its epochs

    async def set_study_state(self, state: StudyState, reason: str = "") -> None:
        """Say whether the study runs, and why it stopped if it did."""
        async with self._connection.transaction() as t:
            await t.write(
                "UPDATE study SET state = ?, stop_reason = ?", (state, plain_text(reason))
            )
            await lifecycle.add_event(t, "state", None, {"state": state, "reason": reason})

    async def set_settings(self, settings: Json, policy: str | None = None) -> None:
        """Keep the settings, and the policy if given, that this run of the study uses."""
        async with self._connection.transaction() as t:
            await t.write(
                "UPDATE study SET settings = ?, policy = COALESCE(?, policy)",
                (dump_json(settings), policy),
            )

    async def add_epoch(self, new: NewEpoch) -> int:
        """Start an epoch; later experiments belong to it. Returns its id, 1 for the first."""
        finite({"budget": new.budget})
        async with self._connection.transaction() as t:
            epoch_id = await t.write(
                "INSERT INTO epochs (started_at, environment_digest, environment, budget, clock, "
                "device_model, torch_version) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    utc_now(),
                    new.environment_digest,
                    dump_json(new.environment),
                    new.budget,
                    new.clock,
                    new.device_model,
                    new.torch_version,
                ),
            )
            await lifecycle.add_event(t, "epoch", None, {"epoch_id": epoch_id})
        return epoch_id

    # An experiment's life

    async def enqueue(self, new: NewExperiment, *, operation: Operation | None) -> int:
        """Queue an experiment; with operation `ask`, also log that the policy proposed it.

        Returns its id: 0 for the first, which is the baseline, then 1, 2, 3, ...
        """
        async with self._connection.transaction() as t:
            return await lifecycle.enqueue(t, new, operation)

    async def start(
        self, experiment_id: int, *, slot: int, device: str, process: Process | None = None
    ) -> int:
        """Queued or interrupted -> running. Returns the attempt: 1 for the first."""
        async with self._connection.transaction() as t:
            return await lifecycle.start(t, experiment_id, slot, device, process)

    async def attach(self, experiment_id: int, process: Process) -> None:
        """Note which process supervises a running experiment, so that a recovery can end it."""
        async with self._connection.transaction() as t:
            await lifecycle.attach(t, experiment_id, process)

    async def save_curve(self, experiment_id: int, curve: Sequence[Point]) -> None:
        """Keep the loss curve of a running experiment so far, for viewers."""
        async with self._connection.transaction() as t:
            experiment = await lifecycle.running(t, experiment_id)
            await lifecycle.keep_trace(t, experiment, curve, "")

    async def finish(
        self,
        experiment_id: int,
        outcome: Outcome,
        *,
        curve: Sequence[Point] = (),
        log: str = "",
        operation: Operation | None,
        evaluation: Evaluation | None = None,
    ) -> None:
        """End an experiment: its outcome, curve, log, and `tell` or `observe`, at once.

        With operation None the policy learns later, through `promote` or `settle`.
        """
        turned = self._orientation.record(outcome)
        seen = None if evaluation is None else self._orientation.evaluation(evaluation)
        async with self._connection.transaction() as t:
            await lifecycle.finish(t, experiment_id, turned, curve, log, operation, seen)

    async def interrupt(
        self,
        experiment_id: int,
        reason: str = "",
        *,
        curve: Sequence[Point] = (),
        log: str = "",
    ) -> None:
        """Running -> interrupted: it will run again, with the same id, seed and source."""
        async with self._connection.transaction() as t:
            await lifecycle.interrupt(t, experiment_id, reason, curve, log)

    async def recover(self) -> list[Experiment]:
        """Interrupt whatever a dead engine left running.

        Returns those experiments as they were, with the `process` of the attempt that was cut.
        """
        async with self._connection.transaction() as t:
            rows = await t.all(f"{SELECT_EXPERIMENT} WHERE status = 'running' ORDER BY id")
            left = [self._orientation.record(to_experiment(row)) for row in rows]
            for experiment in left:
                await lifecycle.interrupt(
                    t, experiment.id, "the engine ended before the experiment did", (), ""
                )
        return left

    async def promote(
        self,
        experiment_id: int,
        *,
        score: float,
        sigma: float | None,
        reason: str | None = None,
        operation: Operation | None,
    ) -> None:
        """Discard -> keep for a candidate whose gain is confirmed; it becomes the incumbent.

        `score` is its mean over the re-runs, `reason` replaces the one recorded before, and
        `operation` tells the policy in the same transaction.
        """
        raw = self._orientation.number(score)
        async with self._connection.transaction() as t:
            await lifecycle.promote(t, experiment_id, raw, sigma, reason, operation)

    async def settle(
        self, experiment_id: int, *, operation: Operation, reason: str | None = None
    ) -> None:
        """Log that the policy learns an outcome as it stands, which `finish` had left open.

        `reason` replaces the one recorded before.
        """
        async with self._connection.transaction() as t:
            await lifecycle.settle(t, experiment_id, reason, operation)

    async def set_incumbent(self, experiment_id: int, *, score: float, sigma: float | None) -> None:
        """A kept experiment is the incumbent of the current epoch, with this score and noise.

        For the baseline, for a new measure of the incumbent, and after a new baseline.
        """
        raw = self._orientation.number(score)
        async with self._connection.transaction() as t:
            await lifecycle.set_incumbent(t, experiment_id, raw, sigma)

    # The policy's memory

    async def save_policy_state(self, sha256: str, log_seq: int) -> int:
        """Note a saved state of the policy: the blob's name and the last log entry inside (or 0).

        The blob must be on the disk already (`blobs.write_blob`). Returns the state's id.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise StoreConflict(f"{sha256!r} is not a SHA-256 in hex.")
        async with self._connection.transaction() as t:
            row = await t.one("SELECT COALESCE(MAX(seq), 0) AS last FROM policy_log")
            before = await t.one("SELECT COALESCE(MAX(log_seq), 0) AS last FROM policy_states")
            assert row is not None
            assert before is not None
            if not before["last"] <= log_seq <= row["last"]:
                raise StoreConflict(
                    f"A policy state cannot contain log entry {log_seq}: the last state contains "
                    f"{before['last']}, and the log ends at {row['last']}."
                )
            return await t.write(
                "INSERT INTO policy_states (sha256, log_seq, created_at) VALUES (?, ?, ?)",
                (sha256, log_seq, utc_now()),
            )

    async def publish(self, now: Present) -> None:
        """Show viewers the present; it waits for no disk."""
        async with self._connection.transaction(durable=False) as t:
            await publishing.publish(t, self._orientation.present(now))

    async def count(self, used: Mapping[str, float]) -> None:
        """Add to the study's meters what it has used; it waits for no disk."""
        finite(used)
        async with self._connection.transaction(durable=False) as t:
            for name, amount in used.items():
                await t.write(
                    "INSERT INTO meters (name, value) VALUES (?, ?) "
                    "ON CONFLICT DO UPDATE SET value = value + excluded.value",
                    (name, amount),
                )

    async def event(self, type_: str, experiment_id: int | None = None, data: Json = None) -> int:
        """Record something that the engine did. Returns the event's id."""
        async with self._connection.transaction() as t:
            return await lifecycle.add_event(t, type_, experiment_id, data)


async def _insert_study(connection: Connection, study: NewStudy) -> None:
    async with connection.transaction() as t:
        await t.write(
            "INSERT INTO study (id, name, created_at, seed, target_name, target_kind, metric, "
            "direction, policy, settings, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'stopped')",
            (
                uuid.uuid4().hex,
                plain_text(study.name),
                utc_now(),
                study.seed,
                study.target_name,
                study.target_kind,
                study.metric,
                study.direction,
                study.policy,
                dump_json(study.settings),
            ),
        )
        await lifecycle.add_event(t, "created", None, {"name": study.name})
