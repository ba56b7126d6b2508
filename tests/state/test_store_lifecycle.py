"""What the store allows an experiment to become, and what it freezes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from state.errors import NoSuchExperiment, StoreConflict
from state.folder import StudyFolder
from state.records import (
    FAILED,
    NewEpoch,
    NewExperiment,
    NewStudy,
    Outcome,
    Process,
    Status,
)
from state.store import Store

pytestmark = pytest.mark.anyio

STUDY = NewStudy(name="s", seed=1, target_name="train.py", policy="random", settings={"a": [1]})
EPOCH = NewEpoch(
    environment_digest="d", budget=20.0, clock="cpu", device_model="CPU", torch_version="2"
)
BASELINE = NewExperiment(kind="baseline", source="A = 1\n", seed=3)
SCORED = Outcome(status="discard", val_bpb=2.3, delta=-0.1, seconds=20.0, steps=90)


def candidate(number: int) -> NewExperiment:
    return NewExperiment(
        kind="candidate",
        source=f"A = {number}\r\n\ufeffé\0",
        parent="A = 1\n",
        parent_id=0,
        seed=2**63 - 1,
        edit=[{"site": "A", "value": number}],
        policy="random",
        proposal_number=number,
        log_prob=-1.5,
    )


@asynccontextmanager
async def study(folder: StudyFolder) -> AsyncIterator[Store]:
    """A study whose baseline has been kept as experiment 0."""
    async with Store.create(folder, STUDY) as store:
        await store.add_epoch(EPOCH)
        await store.enqueue(BASELINE, operation=None)
        await store.start(0, slot=0, device="cpu:0")
        await store.finish(0, Outcome(status="keep", val_bpb=2.4), operation="observe")
        await store.set_incumbent(0, score=2.4, sigma=0.02)
        yield store


async def test_records_what_it_is_given(folder: StudyFolder) -> None:
    async with study(folder) as store:
        assert await store.enqueue(candidate(5), operation="ask") == 1
        queued = await store.experiment(1)
        assert (queued.status, queued.attempt, queued.edit) == (
            "queued",
            0,
            [{"site": "A", "value": 5}],
        )
        assert await store.source(queued.source_sha) == candidate(5).source
        process = Process(pid=12, start_time=34, boot_id="b")
        assert await store.start(1, slot=2, device="cuda:2", process=process) == 1
        running = await store.experiment(1)
        assert (running.process, running.slot, running.device) == (process, 2, "cuda:2")
        await store.finish(1, SCORED, operation="tell")
        ended = await store.experiment(1)
        assert (ended.status, ended.val_bpb, ended.steps, ended.seed) == (
            "discard",
            2.3,
            90,
            2**63 - 1,
        )
        assert ended.process is None
        assert ended.started_at is not None
        assert ended.ended_at is not None
        assert ended.created_at <= ended.started_at <= ended.ended_at
        assert ended.ended_at.endswith("Z")
        recorded = await store.study()
        assert (recorded.settings, recorded.state) == ({"a": [1]}, "stopped")
        log = [
            (entry.operation, entry.experiment_id, entry.status)
            for entry in await store.policy_log()
        ]
        assert log == [("observe", 0, "keep"), ("ask", 1, None), ("tell", 1, "discard")]


async def test_an_outcome_is_frozen(folder: StudyFolder) -> None:
    async with study(folder) as store:
        await store.enqueue(candidate(1), operation="ask")
        await store.start(1, slot=0, device="cpu:0")
        await store.finish(1, Outcome(status="crash", reason="boom"), operation="tell")
        before = await store.experiment(1), await store.policy_log()
        for change in (
            store.finish(1, SCORED, operation=None),
            store.start(1, slot=0, device="cpu:0"),
            store.interrupt(1),
            store.promote(1, score=2.0, sigma=None, operation=None),
            store.settle(1, operation="tell"),
            store.settle(1, operation="observe", reason="another"),
            store.set_incumbent(1, score=2.0, sigma=None),
            store.attach(1, Process(1, 1, "b")),
            store.save_curve(1, [(0.0, 1, 2.0)]),
        ):
            with pytest.raises(StoreConflict):
                await change
        assert (await store.experiment(1), await store.policy_log()) == before
        assert (await store.incumbent()).experiment_id == 0  # type: ignore[union-attr]


async def test_only_a_promotion_keeps_what_was_discarded(folder: StudyFolder) -> None:
    async with study(folder) as store:
        await store.enqueue(candidate(1), operation="ask")
        await store.start(1, slot=0, device="cpu:0")
        await store.finish(1, SCORED, operation=None)
        assert [e.id for e in await store.untold()] == [1]
        with pytest.raises(StoreConflict):
            await store.finish(1, Outcome(status="keep", val_bpb=2.3), operation=None)
        await store.promote(1, score=2.32, sigma=0.01, reason="confirmed", operation="tell")
        kept = await store.experiment(1)
        assert (kept.status, kept.val_bpb, kept.reason) == ("keep", 2.3, "confirmed")
        incumbent = await store.incumbent()
        assert incumbent is not None
        assert (incumbent.experiment_id, incumbent.score, incumbent.sigma) == (1, 2.32, 0.01)
        assert (await store.policy_log())[-1].status == "keep"
        assert await store.untold() == []
        with pytest.raises(StoreConflict):
            await store.promote(1, score=2.0, sigma=None, operation=None)


async def test_what_is_not_confirmed_is_settled_with_a_reason(folder: StudyFolder) -> None:
    async with study(folder) as store:
        await store.enqueue(candidate(1), operation="ask")
        await store.start(1, slot=0, device="cpu:0")
        await store.finish(1, SCORED, operation=None)
        await store.settle(1, operation="tell", reason="not confirmed")
        settled = await store.experiment(1)
        assert (settled.status, settled.reason) == ("discard", "not confirmed")
        with pytest.raises(StoreConflict):
            await store.settle(1, operation="tell")


async def test_an_interrupted_experiment_runs_again_as_the_next_attempt(
    folder: StudyFolder,
) -> None:
    async with study(folder) as store:
        await store.enqueue(candidate(1), operation="ask")
        await store.start(1, slot=0, device="cpu:0", process=Process(9, 9, "b"))
        await store.save_curve(1, [(0.1, 1, 5.0)])
    async with Store.open(folder) as store:
        left = await store.recover()
        assert [(e.id, e.process) for e in left] == [(1, Process(9, 9, "b"))]
        assert await store.recover() == []
        waiting = await store.queue()
        assert [(e.id, e.status, e.process) for e in waiting] == [(1, "interrupted", None)]
        assert await store.start(1, slot=1, device="cpu:1") == 2
        again = await store.experiment(1)
        assert (again.seed, again.source_sha, again.reason) == (
            left[0].seed,
            left[0].source_sha,
            "",
        )


@pytest.mark.parametrize("status", sorted(FAILED))
async def test_what_did_not_score_has_no_score(folder: StudyFolder, status: Status) -> None:
    async with study(folder) as store:
        await store.enqueue(candidate(1), operation="ask")
        if status not in ("veto", "invalid"):
            await store.start(1, slot=0, device="cpu:0")
        with pytest.raises(StoreConflict):
            await store.finish(1, Outcome(status=status, val_bpb=2.0), operation="tell")
        assert (await store.experiment(1)).ended is False
        await store.finish(1, Outcome(status=status), operation="tell")
        assert (await store.experiment(1)).status == status


async def test_refuses_what_it_could_not_give_back(folder: StudyFolder) -> None:
    async with study(folder) as store:
        await store.enqueue(candidate(1), operation="ask")
        await store.start(1, slot=0, device="cpu:0")
        for wrong in (
            Outcome(status="keep"),
            Outcome(status="keep", val_bpb=float("nan")),
            Outcome(status="keep", val_bpb=2.0, seconds=float("inf")),
            Outcome(status="running"),
        ):
            with pytest.raises(StoreConflict):
                await store.finish(1, wrong, operation="tell")
        for new in (
            candidate(1),  # the same proposal twice
            NewExperiment(kind="candidate", source="lone \udc80", seed=1),
            NewExperiment(kind="candidate", source="a", seed=2**63),
            NewExperiment(kind="candidate", source="a", seed=1, edit={1, 2}),
            NewExperiment(kind="candidate", source="a", seed=1, parent_id=99),
            NewExperiment(kind="candidate", source="a", seed=1, log_prob=float("-inf")),
        ):
            with pytest.raises(StoreConflict):
                await store.enqueue(new, operation=None)
        with pytest.raises(NoSuchExperiment):
            await store.experiment(99)
        assert [e.id for e in await store.experiments()] == [0, 1]
        assert (await store.experiment(1)).status == "running"


async def test_an_experiment_needs_an_epoch_and_a_baseline(folder: StudyFolder) -> None:
    async with Store.create(folder, STUDY) as store:
        with pytest.raises(StoreConflict, match="epoch"):
            await store.enqueue(BASELINE, operation=None)
        await store.add_epoch(EPOCH)
        with pytest.raises(StoreConflict, match="baseline"):
            await store.enqueue(NewExperiment(kind="candidate", source="", seed=1), operation=None)


async def test_a_new_epoch_has_its_own_incumbent(folder: StudyFolder) -> None:
    async with study(folder) as store:
        assert await store.add_epoch(EPOCH) == 2
        assert await store.incumbent() is None
        assert await store.enqueue(BASELINE, operation=None) == 1
        assert (await store.experiment(1)).epoch_id == 2
        await store.set_incumbent(0, score=2.5, sigma=0.01)
        assert [(i.epoch_id, i.experiment_id) for i in await store.incumbents()] == [(1, 0), (2, 0)]


async def test_the_policy_log_has_each_operation_once(folder: StudyFolder) -> None:
    async with study(folder) as store:
        amended = NewExperiment(kind="candidate", source="A = 9\n", seed=1)
        await store.enqueue(amended, operation=None)
        await store.start(1, slot=0, device="cpu:0")
        with pytest.raises(StoreConflict, match="observe it"):
            await store.finish(1, SCORED, operation="tell")
        assert (await store.experiment(1)).status == "running"
        await store.finish(1, SCORED, operation="observe")
        assert len(await store.policy_log()) == 2


async def test_a_policy_state_cannot_contain_what_has_not_happened(folder: StudyFolder) -> None:
    async with study(folder) as store:
        assert await store.latest_policy_state() is None
        for sha, seq in (("a" * 64, 2), ("a" * 64, -1), ("not a hash", 0)):
            with pytest.raises(StoreConflict):
                await store.save_policy_state(sha, seq)
        await store.save_policy_state("a" * 64, 1)
        with pytest.raises(StoreConflict):
            await store.save_policy_state("b" * 64, 0)
        latest = await store.latest_policy_state()
        assert latest is not None
        assert (latest.sha256, latest.log_seq) == ("a" * 64, 1)
        assert await store.policy_log(after_seq=latest.log_seq) == []
