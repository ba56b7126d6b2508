"""Supervised studies: what waits for a person, what a verdict does, and what survives a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from engine.command_handler import handler
from engine.conditions import Conditions
from engine.control import Command, Reply, ask, serve
from engine.events import EngineEvent
from engine.executor import Budget, Slot
from engine.in_process import InProcessExecutor
from engine.loop import Ending, Engine
from engine.recovery import recover
from engine.review import Refused
from engine.study import prepare_engine
from env.sandbox import Sandbox
from state.folder import StudyFolder
from state.records import Experiment, NewStudy
from state.store import Store

pytestmark = pytest.mark.anyio


class Desk:
    """A supervised toy study, seen as a person sees it."""

    def __init__(self, toy: ModuleType, folder: StudyFolder, policy: str = "local") -> None:
        self.toy = toy
        self.folder = folder
        self.policy = policy
        self.events: list[EngineEvent] = []
        self.ending: Ending | None = None
        self.engine: Engine
        self.store: Store

    @asynccontextmanager
    async def open(self, limit: int = 30, **review: object) -> AsyncIterator[None]:
        """An engine that runs in the background until it ends or the block does."""
        settings = self.toy.settings(limit, self.policy)
        asked = settings.review.model_copy(update={"supervised": True, **review})
        settings = settings.model_copy(update={"review": asked})
        new = None if self.folder.exists else self.toy.TARGET
        study = NewStudy(name="toy", seed=5, target_name="train.py", policy=self.policy)
        opened = Store.open(self.folder) if new is None else Store.create(self.folder, study)
        conditions = Conditions(
            (Slot(0, "cpu", 1, 1 << 30),), Budget(5, "steps"), self.toy.ENVIRONMENT, Sandbox(None)
        )
        async with opened as self.store:
            await recover(self.store, self.events.append)
            executor = InProcessExecutor(self.toy.trial)
            self.engine = await prepare_engine(
                self.store, settings, conditions, executor, self.events.append, new, False
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._run)
                yield
                self.engine.stop("the test is over")

    async def _run(self) -> None:
        self.ending = await self.engine.run()

    async def until(self, condition: Callable[[list[Experiment]], bool]) -> list[Experiment]:
        """The experiments, once they are so."""
        with anyio.fail_after(20):
            while not condition(  # noqa: ASYNC110
                experiments := await self.store.experiments()
            ):
                await anyio.sleep(0.01)
        return experiments

    async def end(self) -> Ending:
        """How the engine ended, once it has."""
        with anyio.fail_after(20):
            while self.ending is None:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        return self.ending

    async def pending(self, count: int = 3) -> list[int]:
        """The experiments that wait for a verdict, once there are so many."""
        found: list[int] = []
        with anyio.fail_after(20):
            while len(found) < count:
                reviews = await self.store.reviews()
                found = [n for n, review in reviews.items() if review.verdict == "pending"]
                await anyio.sleep(0.01)
        return found


@pytest.fixture
def desk(toy: ModuleType, tmp_path: Path) -> Desk:
    return Desk(toy, StudyFolder(tmp_path / "study"))


async def test_nothing_runs_that_nobody_approved(desk: Desk) -> None:
    async with desk.open():
        waiting = await desk.pending()
        await anyio.sleep(0.2)
        experiments = await desk.store.experiments()
        assert [e.id for e in experiments if e.kind == "candidate"] == waiting
        assert all(e.status == "queued" for e in experiments if e.kind == "candidate")
        assert len(waiting) == 3
        await desk.engine.approve(waiting[1], "the middle one")
        await desk.until(lambda es: es[waiting[1]].ended)
        experiments = await desk.store.experiments()
        assert [experiments[n].status for n in (waiting[0], waiting[2])] == ["queued"] * 2
        assert len(await desk.pending()) == 3, "the policy proposes another one"


async def test_a_veto_ends_it_and_is_told_with_its_note(desk: Desk) -> None:
    async with desk.open():
        first, *_ = await desk.pending()
        await desk.engine.veto(first, "too deep")
        ended = await desk.store.experiment(first)
        assert (ended.status, ended.reason) == ("veto", "too deep")
        log = await desk.store.policy_log()
        assert ("tell", first, "veto") in [(e.operation, e.experiment_id, e.status) for e in log]
        await desk.engine.veto(first)  # again: nothing new
        with pytest.raises(Refused, match="vetoed already"):
            await desk.engine.approve(first)
        with pytest.raises(Refused, match="baseline, which needs no review"):
            await desk.engine.approve(0)
        with pytest.raises(Refused, match="no experiment 99"):
            await desk.engine.veto(99)
        again = [e for e in await desk.store.policy_log() if e.operation != "ask"]
        assert again == [e for e in log if e.operation != "ask"]


async def test_what_runs_or_has_run_cannot_be_vetoed(desk: Desk) -> None:
    async with desk.open():
        first, *_ = await desk.pending()
        await desk.engine.approve(first)
        await desk.until(lambda es: es[first].ended)
        await desk.engine.approve(first)
        with pytest.raises(Refused, match="cannot be vetoed: it is"):
            await desk.engine.veto(first)
        with pytest.raises(Refused, match="cannot be amended: it is"):
            await desk.engine.amend(first, "DEPTH = 1\n")


@pytest.mark.parametrize("policy", ["local", "ppo"])
async def test_a_person_amends_a_candidate(toy: ModuleType, tmp_path: Path, policy: str) -> None:
    desk = Desk(toy, StudyFolder(tmp_path / "study"), policy)
    async with desk.open():
        first, *_ = await desk.pending()
        proposed = await desk.store.experiment(first)
        mine = toy.TARGET.replace("DEPTH = 4", "DEPTH = 9  # mine")
        for source, why in (
            (toy.TARGET, "would be its parent"),
            ("DEPTH = (", "cannot be used"),
            (toy.TARGET + "import socket\n", "cannot be used"),
        ):
            with pytest.raises(Refused, match=why):
                await desk.engine.amend(first, source)
        await desk.engine.amend(first, mine)
        await desk.engine.amend(first, mine)
        now = await desk.store.experiment(first)
        assert await desk.store.source(now.source_sha) == mine
        assert "+DEPTH = 9  # mine" in now.diff
        assert now.summary == f"{proposed.summary} (amended)"
        assert now.log_prob is None
        assert now.status == "queued", "it still waits"
        assert (await desk.store.reviews())[first].verdict == "pending"
        await desk.engine.approve(first)
        experiments = await desk.until(lambda es: es[first].ended)
        assert experiments[first].source_sha == now.source_sha
    async with desk.open():  # what was told is replayed from the record
        await desk.pending()


async def test_reviews_survive_the_engine(desk: Desk) -> None:
    async with desk.open():
        waiting = await desk.pending()
        await desk.engine.approve(waiting[0])
        await desk.until(lambda es: es[waiting[0]].ended)
        waiting = await desk.pending()
    async with desk.open(supervised=None):
        assert desk.engine.state == "running"
        assert await desk.pending() == waiting
        await desk.engine.veto(waiting[0])
        assert (await desk.store.experiment(waiting[0])).status == "veto"


async def test_it_is_switched_while_the_study_runs(desk: Desk) -> None:
    async with desk.open(limit=12):
        await desk.pending()
        await desk.engine.supervise(False)
        assert (await desk.end()).state == "finished"
    async with Store.open(desk.folder) as store:
        assert not (await store.study()).supervised
        assert all(e.ended for e in await store.experiments())


async def test_a_limit_waits_for_what_it_has_counted(desk: Desk) -> None:
    """Five experiments: baseline, two replicates, and two candidates that wait."""
    async with desk.open(limit=5):
        waiting = await desk.pending(2)
        await anyio.sleep(0.1)
        assert desk.ending is None
        await desk.engine.approve(waiting[0])
        await desk.until(lambda es: es[waiting[0]].ended)
        assert desk.ending is None
        await desk.engine.veto(waiting[1])
        assert "5 of 5" in (await desk.end()).reason


async def test_silence_is_consent_where_that_is_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.loop.ORACLE_SECONDS", 0.05)
    async with desk.open(limit=8, auto_approve_seconds=0.1):
        await desk.end()
    said = [event.sentence for event in desk.events if event.type == "reviewed"]
    assert said
    assert all("nobody objected in time" in sentence for sentence in said)


async def test_commands_come_through_the_socket_and_refusals_are_sentences(desk: Desk) -> None:
    async def send(command: str, **fields: object) -> Reply:
        message = Command.model_validate({"command": command, **fields})
        return await anyio.to_thread.run_sync(ask, desk.folder.path, message)

    async with desk.open(), anyio.create_task_group() as tasks:
        tasks.start_soon(serve, desk.folder.path, handler(desk.engine))
        first, second, third = await desk.pending()
        assert (await send("veto", experiment_id=first, note="a\nb\x1b[2J")).ok
        assert (await desk.store.experiment(first)).reason == "a b [2J"
        source = await desk.store.source((await desk.store.experiment(second)).source_sha)
        assert (await send("amend", experiment_id=second, source=source + "# mine\n")).ok
        assert (await send("approve", experiment_id=second)).ok
        await desk.until(lambda es: es[second].ended)
        for command, fields, why in (
            ("approve", {}, "needs the number"),
            ("approve", {"experiment_id": 12345}, "no experiment 12345"),
            ("veto", {"experiment_id": second}, "cannot be vetoed"),
            ("amend", {"experiment_id": third, "source": "("}, "cannot be used"),
        ):
            reply = await send(command, **fields)
            assert not reply.ok
            assert why in reply.error
            assert reply.error.count("\n") == 0
        assert (await send("unsupervise")).ok
        assert not (await desk.store.study()).supervised
        await anyio.sleep(0.05)  # anyio minds when a client leaves in the moment of cancelling
        tasks.cancel_scope.cancel()
