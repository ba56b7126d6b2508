"""Random lives of a study: the store against a model, reopened at any point."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from state.errors import StoreConflict
from state.folder import StudyFolder
from state.read import Reader
from state.records import NewEpoch, NewExperiment, NewStudy, Operation, Outcome
from state.store import Store

STUDY = NewStudy(name="s", seed=1, target_name="train.py", policy="p")
EPOCH = NewEpoch(
    environment_digest="d", budget=1.0, clock="steps", device_model="CPU", torch_version="2"
)
SCORES = {"keep", "discard"}
ENDS = ("keep", "discard", "abort", "crash", "timeout", "oom", "invalid", "veto")
GIVE_UP = {"crash", "timeout", "oom", "invalid", "veto"}


@dataclass
class Model:
    """What the database must say: id -> [kind, status, val_bpb, attempt], and the policy's log."""

    rows: list[list[object]] = field(default_factory=list)
    log: list[tuple[str, int, object]] = field(default_factory=list)
    incumbents: list[int] = field(default_factory=list)

    def may_finish(self, i: int, status: str) -> bool:
        before = self.rows[i][1]
        if before == "running":
            return status != "veto"
        if before == "queued":
            return status in ("invalid", "veto")
        return before == "interrupted" and status in GIVE_UP

    def may_log(self, i: int, operation: str | None) -> bool:
        done = {entry[0] for entry in self.log if entry[1] == i}
        if operation is None:
            return True
        return operation not in done and (operation != "tell" or "ask" in done)


STEP = st.tuples(
    st.sampled_from(
        [
            "enqueue",
            "enqueue",
            "start",
            "start",
            "finish",
            "finish",
            "interrupt",
            "promote",
            "settle",
            "reopen",
        ]
    ),
    st.integers(0, 7),
    st.sampled_from(ENDS),
    st.sampled_from(["tell", "tell", "observe", None]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEP, min_size=10, max_size=40))
def test_no_outcome_is_lost_or_counted_twice(
    steps: list[tuple[str, int, str, Operation | None]],
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = StudyFolder(Path(temporary) / "s")
        anyio.run(live, folder, steps)


async def live(folder: StudyFolder, steps: list[tuple[str, int, str, Operation | None]]) -> None:
    model = Model()
    async with Store.create(folder, STUDY) as store:
        await store.add_epoch(EPOCH)
        await apply(store, model, "enqueue", 0, "keep", None)
    lives: list[list[tuple[str, int, str, Operation | None]]] = [[]]
    for step in steps:
        if step[0] == "reopen":
            lives.append([])
        else:
            lives[-1].append(step)
    for life in lives:
        async with Store.open(folder) as store:
            left = [i for i, row in enumerate(model.rows) if row[1] == "running"]
            assert [e.id for e in await store.recover()] == left
            for i in left:
                model.rows[i][1] = "interrupted"
            for name, number, status, operation in life:
                await apply(store, model, name, number, status, operation)
            await compare(store, model)
        with Reader(folder) as reader:
            shown = {e.id: e.status for e in reader.history()}
            assert shown == {
                i: "interrupted" if row[1] == "running" else row[1]
                for i, row in enumerate(model.rows)
            }


async def apply(
    store: Store, model: Model, name: str, number: int, status: str, operation: Operation | None
) -> None:
    """One step on both; where the model forbids it, the store must refuse it."""
    i = number % len(model.rows) if model.rows else 0
    row = model.rows[i] if model.rows else []
    score = 2.0 + number if status in SCORES else None
    try:
        if name == "enqueue":
            allowed = True
            kind = "candidate" if model.rows else "baseline"
            asked: Operation | None = "ask" if model.rows and number % 2 else None
            new = NewExperiment(
                kind=kind,  # type: ignore[arg-type]
                source=f"A = {number}",
                seed=number,
                policy="p",
                proposal_number=len(model.rows),
            )
            assert await store.enqueue(new, operation=asked) == len(model.rows)
            if asked:
                model.log.append(("ask", len(model.rows), None))
            model.rows.append([kind, "queued", None, 0])
        elif name == "start":
            allowed = row[1] in ("queued", "interrupted")
            attempt = await store.start(i, slot=0, device="cpu:0")
            row[1], row[3] = "running", int(str(row[3])) + 1
            assert attempt == row[3]
        elif name == "finish":
            allowed = model.may_finish(i, status) and model.may_log(i, operation)
            outcome = Outcome(status=status, val_bpb=score)  # type: ignore[arg-type]
            await store.finish(i, outcome, operation=operation, log="x", curve=[(1.0, 1, 1.0)])
            row[1], row[2] = status, score
            if operation:
                model.log.append((operation, i, status))
        elif name == "interrupt":
            allowed = row[1] == "running"
            await store.interrupt(i, "paused")
            row[1] = "interrupted"
        elif name == "promote":
            allowed = row[:2] == ["candidate", "discard"] and model.may_log(i, operation)
            await store.promote(i, score=1.0, sigma=None, operation=operation)
            row[1] = "keep"
            model.incumbents.append(i)
            if operation:
                model.log.append((operation, i, "keep"))
        else:
            operation = operation or "observe"
            allowed = row[1] in ENDS and model.may_log(i, operation)
            await store.settle(i, operation=operation)
            model.log.append((operation, i, row[1]))
        assert allowed, f"{name} {i} was accepted, but the experiment was {row}"
    except StoreConflict:
        assert not allowed, f"{name} {i} was refused, but the experiment is {row}"


async def compare(store: Store, model: Model) -> None:
    found = await store.experiments()
    assert [[e.kind, e.status, e.val_bpb, e.attempt] for e in found] == model.rows
    assert [e.id for e in found] == list(range(len(model.rows)))
    log = await store.policy_log()
    assert [(e.operation, e.experiment_id, e.status) for e in log] == model.log
    assert [e.seq for e in log] == list(range(1, len(log) + 1))
    assert [i.experiment_id for i in await store.incumbents()] == model.incumbents
    waiting = [i for i, row in enumerate(model.rows) if row[1] in ("queued", "interrupted")]
    assert [e.id for e in await store.queue()] == waiting
