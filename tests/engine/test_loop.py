"""The engine as a whole, with trials that a function stands for."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from engine.conditions import Conditions
from engine.decisions import BaselineFailed
from engine.epochs import EpochChanged
from engine.events import EngineEvent
from engine.executor import Budget, Listener, Slot, TrialRequest, TrialResult
from engine.in_process import InProcessExecutor, InProcessJob
from engine.loop import Ending, Engine
from engine.recovery import recover
from engine.researcher import Researcher
from engine.study import prepare_engine
from engine.target_settings import Target
from env.sandbox import Sandbox
from state.folder import StudyFolder
from state.read import Reader
from state.records import NewStudy
from state.store import Store

pytestmark = pytest.mark.anyio


class Bench:
    """Runs toy studies in one folder, with chosen conditions."""

    def __init__(self, toy: ModuleType, folder: Path) -> None:
        self.toy = toy
        self.folder = StudyFolder(folder)
        self.target = folder.with_suffix(".py")
        self.target.write_text(toy.TARGET)
        self.events: list[EngineEvent] = []
        self.trial: Callable[[TrialRequest], TrialResult] = toy.trial
        self.make_executor = InProcessExecutor
        self.budget = Budget(5, "steps")
        self.environment = toy.ENVIRONMENT
        self.on_event: Callable[[Engine, EngineEvent], None] = lambda engine, event: None
        self.engine: Engine | None = None

    async def run(
        self, limit: int, *, slots: int = 1, rebaseline: bool = False, **limits: Any
    ) -> Ending:
        tables = {"max_experiments": limit, "min_disk_gb": 0, **limits}
        settings = self.toy.settings(limit)
        chosen = settings.limits.model_copy(update=tables)
        target = Target(path=str(self.target))
        settings = settings.model_copy(update={"limits": chosen, "target": target})
        new = None if self.folder.exists else self.toy.TARGET
        study = NewStudy(name="toy", seed=5, target_name="train.py", policy="local")
        opened = Store.open(self.folder) if new is None else Store.create(self.folder, study)
        conditions = Conditions(
            tuple(Slot(number, "cpu", 1, 1 << 30) for number in range(slots)),
            self.budget,
            self.environment,
            Sandbox(None),
        )

        def announce(event: EngineEvent) -> None:
            self.events.append(event)
            if self.engine is not None:
                self.on_event(self.engine, event)

        async with opened as store:
            await recover(store, announce)
            executor = self.make_executor(lambda request: self.trial(request))
            self.engine = await prepare_engine(
                store, settings, conditions, executor, announce, new, rebaseline
            )
            return await self.engine.run()

    def rows(self) -> list[Any]:
        with Reader(self.folder) as reader:
            return reader.history()

    def state(self) -> tuple[str, str]:
        with Reader(self.folder) as reader:
            study = reader.status().study
            return study.state, study.stop_reason


@pytest.fixture
def bench(toy: ModuleType, tmp_path: Path) -> Bench:
    return Bench(toy, tmp_path / "study")


async def test_it_runs_to_its_limit_and_keeps_what_beats_the_noise(bench: Bench) -> None:
    ending = await bench.run(25)
    assert ending.state == "finished"
    assert "25 of 25" in ending.reason
    rows = bench.rows()
    assert [row.kind for row in rows[:3]] == ["baseline", "replicate", "replicate"]
    kept = [row for row in rows if row.kind == "candidate" and row.status == "keep"]
    assert kept
    for row in kept:
        fresh = [r.val_bpb for r in rows if r.kind == "confirmation" and r.subject_id == row.id]
        assert fresh, "kept without a fresh run"
    with Reader(bench.folder) as reader:
        now = reader.status()
    assert now.baseline is not None
    assert now.best is not None
    assert now.best < now.baseline
    best = rows[now.best_id]
    fresh = [row.val_bpb for row in rows if row.kind != "candidate" and row.subject_id == best.id]
    assert now.best == pytest.approx(sum(fresh) / len(fresh))
    assert {row.parent_id for row in rows if row.kind == "candidate"} - {None} >= {0, kept[0].id}


async def test_the_sealed_shard_is_shown_and_the_search_never_sees_it(bench: Bench) -> None:
    await bench.run(30)
    rows = bench.rows()
    for row in rows:
        scored = row.val_bpb is not None and row.kind != "candidate"
        assert row.sealed_bpb == (row.val_bpb + 0.5 if scored and row.val_bpb else None)
    kept = [row for row in rows if row.kind == "candidate" and row.status == "keep"]
    assert kept
    assert all(re.search(r"; on the sealed shard -0\.\d{4}$", row.reason) for row in kept)


async def test_the_baseline_alone(bench: Bench) -> None:
    assert (await bench.run(1)).state == "finished"
    assert [row.status for row in bench.rows()] == ["keep"]


async def test_a_finished_study_ends_at_once_and_can_be_extended(bench: Bench) -> None:
    await bench.run(5)
    before = bench.rows()
    assert (await bench.run(5)).state == "finished"
    assert bench.rows() == before
    await bench.run(8)
    assert bench.rows()[:5] == before or bench.rows()[:3] == before[:3]
    assert len(bench.rows()) == 8


async def test_an_extended_study_equals_one_that_ran_through(
    bench: Bench, toy: ModuleType, tmp_path: Path
) -> None:
    for limit in (3, 4, 7, 12):
        await bench.run(limit)
    whole = Bench(toy, tmp_path / "whole")
    await whole.run(12)
    same = ("id", "kind", "status", "source_sha", "seed", "val_bpb", "reason", "summary")
    pick = [[getattr(row, name) for name in same] for row in bench.rows()]
    assert pick == [[getattr(row, name) for name in same] for row in whole.rows()]


async def test_several_slots_record_every_experiment_once(bench: Bench) -> None:
    await bench.run(30, slots=4)
    rows = bench.rows()
    assert [row.id for row in rows] == list(range(30))
    assert all(row.ended for row in rows)
    assert {row.slot for row in rows} == {0, 1, 2, 3}
    assert await saved_state(bench) == await replayed_state(bench)


async def saved_state(bench: Bench) -> dict[str, Any]:
    async with Store.open(bench.folder) as store:
        return await _restored(bench, store)


async def replayed_state(bench: Bench) -> dict[str, Any]:
    """The policy's state after a replay of every recorded ask and tell."""
    with sqlite3.connect(bench.folder.database) as database:
        database.execute("DELETE FROM policy_states")
    database.close()
    return await saved_state(bench)


async def _restored(bench: Bench, store: Store) -> dict[str, Any]:
    researcher = await Researcher.restore(store, "local", 5, {})
    return researcher.state_dict()


class SlowScorer(InProcessExecutor):
    """Nothing is scored before the slot's next trial has begun, unless there is none."""

    async def submit(self, request: TrialRequest, listener: Listener) -> InProcessJob:
        self.submitted = request.experiment_id
        return _Late(self, await super().submit(request, listener), request)


class _Late(InProcessJob):
    def __init__(self, scorer: SlowScorer, job: InProcessJob, request: TrialRequest) -> None:
        self._scorer, self._job, self._id = scorer, job, request.experiment_id

    async def result(self) -> TrialResult:
        with anyio.move_on_after(0.1):
            while self._scorer.submitted == self._id:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        return await self._job.result()

    def cancel(self) -> None:
        self._job.cancel()


async def test_a_slot_goes_on_while_its_last_trial_is_scored(bench: Bench) -> None:
    bench.make_executor = SlowScorer
    bench.budget = Budget(5, "cpu")
    assert (await bench.run(14)).state == "finished"
    rows = bench.rows()
    assert [row.id for row in rows] == list(range(14))
    assert all(row.ended for row in rows)
    live: set[int] = set()
    most = 0
    for event in bench.events:
        if event.type == "started":
            live.add(event.data["id"])
        elif event.type == "ended":
            live.remove(event.data["id"])
        elif event.type == "proposed":
            assert len(live) <= 1, "asked before its slot was free"
        most = max(most, len(live))
    assert (most, live) == (2, set())
    assert await saved_state(bench) == await replayed_state(bench)


async def test_a_stop_interrupts_what_trains_and_what_is_scored(bench: Bench) -> None:
    bench.make_executor = SlowScorer
    bench.budget = Budget(5, "cpu")
    bench.on_event = lambda engine, event: (
        engine.stop("stopped by a person")
        if event.type == "started" and event.data["id"] == 5
        else None
    )
    assert (await bench.run(8)).state == "stopped"
    assert [row.status for row in bench.rows()[4:6]] == ["interrupted"] * 2
    bench.on_event = lambda engine, event: None
    assert (await bench.run(8)).state == "finished"
    assert all(row.ended for row in bench.rows())


@pytest.mark.parametrize("status", ["crash", "timeout", "oom", "invalid"])
async def test_a_baseline_that_fails_ends_the_run(bench: Bench, status: Any) -> None:
    bench.trial = lambda request: TrialResult(status, "it broke")
    with pytest.raises(BaselineFailed, match=f"{status}: it broke"):
        await bench.run(10)
    assert bench.state()[0] == "stopped"
    # Mended, the same command goes on.
    bench.trial = bench.toy.trial
    assert (await bench.run(10)).state == "finished"


async def test_failing_candidates_are_recorded_and_the_study_goes_on(bench: Bench) -> None:
    def trial(request: TrialRequest) -> TrialResult:
        if request.source != bench.toy.TARGET:
            return TrialResult("crash", "RuntimeError: boom", log="Traceback ...")
        return bench.toy.trial(request)

    bench.trial = trial
    await bench.run(9)
    failed = [row for row in bench.rows() if row.kind == "candidate"]
    assert len(failed) == 6
    assert {(row.status, row.reason) for row in failed} == {("crash", "RuntimeError: boom")}


async def test_pause_starts_nothing_and_resume_goes_on(bench: Bench) -> None:
    paused = False

    def on_event(engine: Engine, event: EngineEvent) -> None:
        nonlocal paused
        if event.type == "started" and event.data["id"] == 4 and not paused:
            paused = True
            tasks.start_soon(engine.pause)

    bench.on_event = on_event
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.run, 10)
        await anyio.sleep(1.0)  # ten experiments take a tenth of this
        assert bench.state()[0] == "paused"
        assert len([row for row in bench.rows() if row.ended]) < 10
        assert bench.engine is not None
        await bench.engine.resume()
    assert len(bench.rows()) == 10
    assert bench.state()[0] == "finished"


async def test_stop_interrupts_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.on_event = lambda engine, event: (
        engine.stop("stopped by a person")
        if event.type == "phase" and event.data["id"] == 5
        else None
    )
    ending = await bench.run(10)
    assert ending == Ending("stopped", "stopped by a person")
    assert bench.rows()[5].status == "interrupted"
    bench.on_event = lambda engine, event: None
    assert (await bench.run(10)).state == "finished"
    assert bench.rows()[5].attempt == 2


async def test_stop_after_current_lets_it_finish(bench: Bench) -> None:
    bench.on_event = lambda engine, event: (
        engine.stop("enough", after_current=True)
        if event.type == "phase" and event.data["id"] == 5
        else None
    )
    assert (await bench.run(10)).state == "stopped"
    assert bench.rows()[5].ended
    assert len(bench.rows()) == 6


async def test_another_budget_is_refused_and_rebaseline_measures_anew(bench: Bench) -> None:
    await bench.run(14)
    before = bench.rows()
    bench.budget = Budget(7, "steps")
    with pytest.raises(EpochChanged, match="5 and is 7"):
        await bench.run(20)
    assert bench.rows() == before
    bench.trial = lambda request: replace(bench.toy.trial(request), seconds=7.0)
    await bench.run(24, rebaseline=True)
    new = [row for row in bench.rows() if row.epoch_id == 2]
    assert [row.kind for row in new[:3]] == ["baseline", "replicate", "replicate"]
    kept = [row.id for row in before if row.kind == "candidate" and row.status == "keep"]
    assert {row.subject_id for row in new[3:6]} == {kept[-1]}
    assert any(row.kind == "candidate" for row in new)


async def test_another_environment_is_refused(bench: Bench) -> None:
    await bench.run(4)
    bench.environment = replace(bench.environment, digest="1" * 64)
    with pytest.raises(EpochChanged, match="environment"):
        await bench.run(6)


async def test_limits_besides_the_baseline(bench: Bench) -> None:
    await bench.run(100, max_after_baseline=6)
    rows = [row for row in bench.rows() if row.kind not in ("baseline", "replicate")]
    assert len(rows) == 6


async def test_no_disk_left_stops_before_anything_runs(bench: Bench) -> None:
    ending = await bench.run(5, min_disk_gb=1e9)
    assert (ending.state, ending.criterion) == ("stopped", "disk")
    assert [row.status for row in bench.rows()] == ["queued"] * 3


async def test_a_job_of_the_in_process_executor_can_be_cancelled(toy: ModuleType) -> None:
    request = TrialRequest(1, 1, toy.TARGET, 0, Budget(1, "steps"), Slot(0, "cpu", 1, 1))
    job: InProcessJob = await InProcessExecutor(toy.trial).submit(request, Listener())
    job.cancel()
    assert (await job.result()).status == "interrupted"
