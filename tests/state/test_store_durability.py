"""What the store does when it is killed, cancelled, out of space, or given the wrong file."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from state import schema
from state.errors import (
    StoreBusy,
    StoreConflict,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreNewer,
    StoreOnNetwork,
)
from state.folder import StudyFolder
from state.records import NewEpoch, NewExperiment, NewStudy, Outcome
from state.store import Store

pytestmark = pytest.mark.anyio  # for the tests that are async

STUDY = NewStudy(name="s", seed=1, target_name="train.py", policy="random")
EPOCH = NewEpoch(
    environment_digest="d", budget=20.0, clock="cpu", device_model="CPU", torch_version="2"
)
BASELINE = NewExperiment(kind="baseline", source="A = 1\n", seed=3)

# Finishes experiment after experiment and prints the id of each once it is committed.
WRITER = """
import sys, anyio
from pathlib import Path
from state.folder import StudyFolder
from state.records import NewExperiment, Outcome
from state.store import Store

async def main():
    async with Store.open(StudyFolder(Path(sys.argv[1]))) as store:
        await store.recover()
        for waiting in await store.queue():
            await store.start(waiting.id, slot=0, device="cpu:0")
            await store.finish(waiting.id, Outcome(status="keep", val_bpb=1.0), operation=None)
        while True:
            new = NewExperiment(kind="candidate", source="A = 2", seed=1)
            i = await store.enqueue(new, operation="ask")
            await store.start(i, slot=0, device="cpu:0")
            outcome = Outcome(status="discard", val_bpb=float(i))
            await store.finish(i, outcome, operation="tell", log="x" * 5000)
            print(i, flush=True)

anyio.run(main)
"""


async def make(folder: StudyFolder) -> None:
    async with Store.create(folder, STUDY) as store:
        await store.add_epoch(EPOCH)
        await store.enqueue(BASELINE, operation=None)


def test_a_killed_engine_loses_nothing_that_it_committed(folder: StudyFolder) -> None:
    anyio.run(make, folder)
    committed: list[int] = []
    for lines in (3, 8, 1):
        command = [sys.executable, "-c", WRITER, str(folder.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(lines):
                committed.append(int(writer.stdout.readline()))
            writer.send_signal(signal.SIGKILL)
            committed += [int(line) for line in writer.stdout.read().split()]
    anyio.run(check_nothing_is_lost, folder, committed)


async def check_nothing_is_lost(folder: StudyFolder, committed: list[int]) -> None:
    async with Store.open(folder) as store:
        await store.recover()
        found = {e.id: e for e in await store.experiments()}
        assert list(found) == list(range(len(found)))
        for i in committed:
            assert (found[i].status, found[i].val_bpb) == ("discard", float(i))
        told = [e.experiment_id for e in await store.policy_log() if e.operation == "tell"]
        assert len(told) == len(set(told))
        assert set(told) >= set(committed)


async def test_a_cancelled_task_finishes_its_transaction(folder: StudyFolder) -> None:
    await make(folder)
    async with Store.open(folder) as store:
        await store.start(0, slot=0, device="cpu:0")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.finish(0, Outcome(status="keep", val_bpb=2.0), operation=None)
        assert scope.cancelled_caught
        # Cancelled before it began: nothing has changed, and the store is as good as before.
        assert (await store.experiment(0)).status == "running"

        async def finish() -> None:
            await store.finish(0, Outcome(status="keep", val_bpb=2.0), operation=None)

        async with anyio.create_task_group() as group:
            group.start_soon(finish)
            await anyio.lowlevel.checkpoint()
            while not store._connection._lock.statistics().locked:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert (await store.experiment(0)).status == "keep"


async def test_a_task_cancelled_from_outside_leaves_no_open_transaction(
    folder: StudyFolder,
) -> None:
    await make(folder)
    async with Store.open(folder) as store:
        for pauses in range(30):
            new = NewExperiment(kind="candidate", source=f"A = {pauses}\n", seed=1)
            task = asyncio.ensure_future(store.enqueue(new, operation="ask"))
            for _ in range(pauses):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            known = len(await store.experiments())
            await store.event("still works")
            asked = [e.experiment_id for e in await store.policy_log()]
            assert asked == list(range(1, known))


async def test_a_full_disk_is_said_and_survived(folder: StudyFolder) -> None:
    await make(folder)
    async with Store.open(folder) as store:
        await store.start(0, slot=0, device="cpu:0")
        async with store._connection.reading() as t:
            await t.all("PRAGMA max_page_count = 1")  # SQLite never shrinks it below the present
        with pytest.raises(StoreFull, match="full"):
            await store.finish(
                0, Outcome(status="keep", val_bpb=2.0), operation=None, log="x" * 100_000
            )
        assert (await store.experiment(0)).status == "running"
        async with store._connection.reading() as t:
            await t.all("PRAGMA max_page_count = 1000000")
        await store.finish(
            0, Outcome(status="keep", val_bpb=2.0), operation=None, log="x" * 100_000
        )
        assert (await store.experiment(0)).status == "keep"


async def test_no_thread_outlives_the_store(folder: StudyFolder) -> None:
    before = threading.active_count()
    await make(folder)
    async with Store.open(folder) as store:
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    with pytest.raises(StoreError, match="closed"):
        await store.experiments()
    assert sorted(os.listdir(folder.path)) == ["policy", "scratch", "study.db", "weights"]


async def test_a_study_is_created_once_and_whole(folder: StudyFolder) -> None:
    folder.make()
    draft = folder.path / "study.db.new"
    draft.write_bytes(b"half a database of a start that was killed")
    with pytest.raises(StoreMissing):
        async with Store.open(folder):
            pass
    await make(folder)
    assert not draft.exists()
    with pytest.raises(StoreConflict, match="already"):
        await make(folder)
    async with Store.open(folder) as store:
        assert len(await store.experiments()) == 1


async def test_files_that_are_no_study_are_refused(folder: StudyFolder) -> None:
    await make(folder)
    whole = folder.database.read_bytes()
    for damage in (b"", b"not a database at all" * 99, whole[:5000], whole[:50], whole[4096:]):
        folder.database.write_bytes(damage)
        with pytest.raises(StoreCorrupt, match=r"study\.db"):
            async with Store.open(folder):
                pass
        assert folder.database.read_bytes() == damage
    folder.database.unlink()
    with sqlite3.connect(folder.database) as other:
        other.execute("CREATE TABLE trials (id)")
    other.close()
    with pytest.raises(StoreCorrupt):
        async with Store.open(folder):
            pass


async def test_a_newer_database_is_refused_with_both_numbers(folder: StudyFolder) -> None:
    await make(folder)
    db = sqlite3.connect(folder.database)
    db.execute("PRAGMA user_version = 77")
    db.close()
    with pytest.raises(StoreNewer, match=rf"77.*{schema.current_version()}"):
        async with Store.open(folder):
            pass


async def test_another_writer_is_waited_for_and_then_named(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(folder)
    monkeypatch.setattr(schema, "BUSY_TIMEOUT", 0.05)
    async with Store.open(folder) as store:
        other = sqlite3.connect(folder.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            await store.event("x")
        other.execute("ROLLBACK")
        other.close()
        assert await store.event("x") > 0


async def test_a_network_file_system_is_refused(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(folder)
    monkeypatch.setattr("state.folder.network_filesystem", lambda path, mountinfo: "nfs4")
    with pytest.raises(StoreOnNetwork, match=r"nfs4.*--study"):
        async with Store.open(folder):
            pass
    elsewhere = StudyFolder(folder.path.with_name("other"))
    with pytest.raises(StoreOnNetwork):
        await make(elsewhere)
    assert not elsewhere.path.exists()


async def test_an_old_database_still_opens(folder: StudyFolder) -> None:
    assets = Path(__file__).parent / "assets"
    for version in range(1, schema.current_version() + 1):
        folder.make()
        shutil.copyfile(assets / f"schema_{version}.db", folder.database)
        async with Store.open(folder) as store:
            assert (await store.study()).name == "example"
            statuses = [e.status for e in await store.experiments()]
            assert statuses == ["keep", "keep", "keep", "crash", "running"]
            assert [e.id for e in await store.recover()] == [4]
            incumbent = await store.incumbent()
            assert incumbent is not None
            assert (incumbent.experiment_id, incumbent.score) == (2, 2.32)
            assert [e.experiment_id for e in await store.policy_log(3)] == [3, 4, 2, 3]
            assert (await store.experiment(2)).edit["changes"][0]["site"] == "DEPTH"
        folder.database.unlink()


def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    db = sqlite3.connect(path, isolation_level=None)
    first = "CREATE TABLE a (x);"
    second = "CREATE TABLE b (x); INSERT INTO a VALUES (1);"
    assert schema.migrate(db, (first,)) == [1]
    with pytest.raises(sqlite3.Error):
        schema.migrate(db, (first, second + "INSERT INTO missing VALUES (1);"))
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert schema.migrate(db, (first, second)) == [2]
    assert schema.migrate(db, (first, second)) == []
    assert db.execute("SELECT x FROM a").fetchall() == [(1,)]
    db.close()


async def test_the_database_keeps_its_own_rules(folder: StudyFolder) -> None:
    """Whoever writes past the store meets the same walls."""
    await make(folder)
    db = sqlite3.connect(folder.database, isolation_level=None)
    db.execute("PRAGMA foreign_keys = ON")
    for wrong in (
        "UPDATE experiments SET status = 'lost'",
        "UPDATE experiments SET status = 'keep', ended_at = 'x'",
        "UPDATE experiments SET seed = 'text'",
        "UPDATE experiments SET source_sha = 'unknown'",
        "INSERT INTO study SELECT 'other', name, created_at, seed, target_name, target_kind, "
        "metric, direction, policy, settings, state, stop_reason, supervised FROM study",
        "INSERT INTO events (at, type, data) VALUES ('x', 'x', 'not json')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(wrong)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert json.loads(db.execute("SELECT settings FROM study").fetchone()[0]) == {}
    db.close()
