"""What the oracle's ledger makes of a study: the same in one look as in many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from engine.convergence import Record
from engine.facts import FactReader
from engine.ledger import Ledger
from engine.meters import EnergyMeter, Meters
from engine.oracle import Facts
from state.folder import StudyFolder
from state.records import NewEpoch, NewExperiment, NewStudy, Outcome, Status
from state.store import Store

pytestmark = pytest.mark.anyio

STUDY = NewStudy(name="s", seed=1, target_name="train.py", policy="local")
EPOCH = NewEpoch(
    environment_digest="e", budget=5, clock="steps", device_model="CPU", torch_version="2"
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.create(StudyFolder(tmp_path / "study"), STUDY) as opened:
        await opened.add_epoch(EPOCH)
        yield opened


async def baseline(store: Store, score: float = 2.0) -> int:
    new = NewExperiment(kind="baseline", source="A", seed=1)
    number = await store.enqueue(new, operation=None)
    await store.start(number, slot=0, device="cpu")
    await store.finish(number, Outcome(status="keep", val_bpb=score), operation="observe")
    await store.set_incumbent(number, score=score, sigma=0.01)
    return number


async def candidate(
    store: Store, status: Status, score: float | None = None, *, told: bool = True
) -> int:
    count = len(await store.experiments())
    new = NewExperiment(
        kind="candidate", source=f"C{count}", seed=1, policy="local", proposal_number=count
    )
    number = await store.enqueue(new, operation="ask")
    if status == "veto":
        await store.finish(number, Outcome(status="veto"), operation="tell")
        return number
    await store.start(number, slot=0, device="cpu")
    outcome = Outcome(status=status, val_bpb=score, reason="why")
    await store.finish(number, outcome, operation="tell" if told else None)
    return number


async def test_every_look_sees_what_is_new(store: Store) -> None:
    ledger = Ledger(1)

    async def look() -> Ledger:
        ledger.take(await store.changes(ledger.seen))
        return ledger

    assert (await look()).record(0.0) == Record(0)
    await baseline(store)
    assert ((await look()).best, ledger.experiments, ledger.after_baseline) == (2.0, 1, 0)
    await candidate(store, "discard", 2.1)
    await candidate(store, "abort")
    await candidate(store, "crash")
    await candidate(store, "veto")
    assert (await look()).record(0.0) == Record(2)
    assert len(ledger.streaks.candidates) == 1
    waiting = await candidate(store, "discard", 1.8, told=False)
    assert ((await look()).open, ledger.record(0.0)) == (1, Record(2))
    assert ledger.streaks.candidates == []
    await candidate(store, "discard", 2.1)  # in another slot
    await store.promote(waiting, score=1.9, sigma=0.01, operation="tell")
    await store.set_incumbent(waiting, score=1.95, sigma=0.01)  # measured again: no gain
    assert ((await look()).open, ledger.best, ledger.first) == (0, 1.95, 2.0)
    assert ledger.record(0.0) == Record(4, (3,))
    assert ledger.record(0.2) == Record(4)
    # Nothing new, and all at once, are the same.
    seen = ledger.seen
    assert (await look()).seen == seen
    again = Ledger(1)
    again.take(await store.changes(again.seen))
    assert (again.record(0.0), again.best, again.experiments) == (Record(4, (3,)), 1.95, 7)


async def test_another_epoch_begins_anew_and_counts_all_experiments(store: Store) -> None:
    await baseline(store)
    await candidate(store, "discard", 2.1)
    await candidate(store, "crash")
    await store.add_epoch(EPOCH)
    await baseline(store, 3.0)
    ledger = Ledger(2)
    ledger.take(await store.changes(ledger.seen))
    assert (ledger.experiments, ledger.record(0.0), ledger.best) == (4, Record(0), 3.0)
    assert ledger.streaks.candidates == []


async def test_whoever_asks_at_the_same_time_sees_the_same(store: Store) -> None:
    await baseline(store)
    await candidate(store, "crash")
    waiting = await candidate(store, "discard", 1.8, told=False)
    await store.promote(waiting, score=1.9, sigma=0.01, operation="tell")
    await candidate(store, "crash")
    seconds = 7200.0
    meters = await Meters.open(store, EnergyMeter(), lambda: seconds)
    facts = await FactReader.open(store, meters)
    found: list[Facts] = []

    async def ask() -> None:
        found.append(await facts.read())
        await facts.close()

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    for one in found:
        assert (one.record(0.0), len(one.streaks.candidates)) == (Record(1, (1,)), 1)
        assert one.device_hours == 2.0
    assert await store.meters() == {"device_seconds": 7200.0}


async def test_failures_before_the_last_stop_are_forgotten(store: Store) -> None:
    await baseline(store)
    await candidate(store, "crash")
    stop = (await store.events())[-1].id
    await candidate(store, "oom")
    for since, statuses in ((0, ["crash", "oom"]), (stop, ["oom"])):
        ledger = Ledger(1, since)
        ledger.take(await store.changes(ledger.seen))
        assert [failure.status for failure in ledger.streaks.candidates] == statuses
