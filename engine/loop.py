"""The main loop: slots take experiments from a queue that the policy and the keep rule fill.

Every decision is taken under one lock and recorded in one transaction, so that a killed engine can
be followed by another that goes on exactly where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import anyio
import anyio.abc

import policy
from engine import oracle
from engine.audits import Ended
from engine.decisions import BaselineFailed, Decisions
from engine.error_groups import first_error
from engine.events import Announce, EngineEvent
from engine.executor import Budget, Executor, Slot, TrialResult
from engine.facts import ENGINE_STARTED, FactReader
from engine.faults import fault_point
from engine.publisher import Publisher
from engine.review import ReviewDesk
from engine.running import Running, Underway
from engine.selfeval import SelfEvaluation
from state.records import Experiment
from state.store import Store

ORACLE_SECONDS = 5.0


@dataclass(frozen=True)
class Ending:
    """Why a run of the engine ended: `finished` by the oracle, or `stopped` by a person."""

    state: Literal["finished", "stopped"]
    reason: str
    criterion: str = ""  # of the oracle, when it was the oracle


class Engine:
    """One run of a study on some slots, until the oracle or a person ends it."""

    def __init__(
        self,
        *,
        store: Store,
        decisions: Decisions,
        executor: Executor,
        slots: Sequence[Slot],
        budget: Budget,
        criteria: Sequence[oracle.Criterion],
        facts: FactReader,
        announce: Announce,
        desk: ReviewDesk,
        publisher: Publisher,
        evaluation: SelfEvaluation,
    ) -> None:
        self._store = store
        self._decisions = decisions
        self._running = Running(
            store, executor, budget, announce, publisher, evaluation, self._expect_another
        )
        self._evaluation = evaluation
        self._executor = executor
        self._budget = budget
        self._slots = slots
        self._criteria = criteria
        self._facts = facts
        self._announce = announce
        self._desk = desk
        self._publisher = publisher
        self._lock = anyio.Lock()
        self._changed = anyio.Event()
        self._taken: set[int] = set()
        self._workers: anyio.abc.TaskGroup | None = None  # while it runs
        self._ending: Ending | None = None
        self._paused = False

    async def pause(self) -> None:
        """Start no further experiment; those that run go on."""
        if not self._paused and self._ending is None:
            self._paused = True
            await self._store.set_study_state("paused", "paused by a person")
            self._announce(EngineEvent("paused", "Paused: no further experiment starts."))

    async def resume(self) -> None:
        """Start experiments again."""
        if self._paused and self._ending is None:
            self._paused = False
            await self._store.set_study_state("running")
            self._announce(EngineEvent("resumed", "Resumed."))
            self._notify()

    async def supervise(self, supervised: bool) -> None:
        """From now on candidates wait for a person before they run, or do not."""
        async with self._lock:
            await self._desk.supervise(supervised)
        self._notify()

    async def approve(self, experiment_id: int, note: str = "") -> None:
        """Let a candidate run. Raises review.Refused."""
        async with self._lock:
            await self._desk.approve(experiment_id, note)
        self._notify()

    async def veto(self, experiment_id: int, note: str = "") -> None:
        """End a candidate before it runs. Raises review.Refused."""
        async with self._lock:
            await self._desk.veto(experiment_id, note)
            self._publisher.show("policy", await self._decisions.insight())
        self._notify()

    async def amend(self, experiment_id: int, source: str) -> None:
        """Replace a candidate's source by a person's. Raises review.Refused."""
        async with self._lock:
            await self._desk.amend(experiment_id, source)
        self._notify()

    def stop(self, reason: str, after_current: bool = False, criterion: str = "") -> None:
        """End the run. What runs is interrupted, or finished first with `after_current`."""
        self._end("stopped", reason, criterion)
        if not after_current:
            self._running.interrupt()

    @property
    def state(self) -> str:
        """running, paused or stopping."""
        if self._ending is not None:
            return "stopping"
        return "paused" if self._paused else "running"

    async def run(self) -> Ending:
        """Run until the end. Raises BaselineFailed."""
        await self._store.event(ENGINE_STARTED)
        await self._store.set_study_state("running")
        self._publisher.show("selfeval", self._evaluation.report())
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._consult_oracle, name="oracle")
                tasks.start_soon(self._publisher.run, name="publisher")
                tasks.start_soon(self._fill_desk, name="review")
                async with anyio.create_task_group() as self._workers:
                    for slot in self._slots:
                        self._workers.start_soon(self._work, slot, name=f"slot {slot}")
                tasks.cancel_scope.cancel()
        except* BaselineFailed as group:
            await self._store.set_study_state("stopped", str(first_error(group)))
            raise BaselineFailed(str(first_error(group))) from None
        ending = self._ending or Ending("finished", "nothing is left to do")
        fault_point("finishing")
        await self._store.set_study_state(ending.state, ending.reason)
        sentence = f"{ending.state.capitalize()}: {ending.reason}."
        self._announce(EngineEvent(ending.state, sentence, {"criterion": ending.criterion}))
        return ending

    async def _consult_oracle(self) -> None:
        """The termination oracle, beside everything else: it wakes slots that wait."""
        try:
            while True:
                await anyio.sleep(ORACLE_SECONDS)
                async with self._lock:
                    expired = await self._desk.expire()
                if expired:
                    self._notify()
                self._running.end_stalled()
                reading = await self._stop_sign()
                if reading is not None and reading.urgent:
                    # Outcomes could no longer be written: give up what runs while that can be said.
                    self.stop(reading.sentence, criterion=reading.name)
                elif reading is not None:
                    self._notify()
        finally:
            with anyio.CancelScope(shield=True):
                await self._facts.close()

    async def _stop_sign(self) -> oracle.Reading | None:
        readings = oracle.consult(self._criteria, await self._facts.read())
        self._publisher.show("oracle", {"readings": [asdict(reading) for reading in readings]})
        return oracle.verdict(readings)

    async def _fill_desk(self) -> None:
        """In a supervised study the policy proposes ahead, for a person takes time."""
        while True:
            changed = self._changed
            try:
                while await self._proposed_ahead():
                    pass
            except policy.PolicyExhausted:
                pass  # the slot that finds nothing left to do ends the run
            await changed.wait()

    async def _proposed_ahead(self) -> bool:
        async with self._lock:  # anew for each: an outcome to be recorded does not wait for all
            may = (
                self._ending is None
                and not self._paused
                and self._desk.supervised
                and await self._store.incumbent() is not None
                and not await self._desk.full(self._taken)
                and await self._stop_sign() is None
            )
            if may:
                await self._propose()
        return may

    async def _propose(self) -> None:
        await self._decisions.propose()
        if self._desk.supervised:
            await self._desk.runnable(await self._store.queue())  # a person is asked
        self._publisher.show("policy", await self._decisions.insight())

    async def _work(self, slot: Slot) -> None:
        """One experiment after the other; with most clocks the last one is scored meanwhile."""
        assert self._workers is not None
        before = anyio.Event()
        before.set()
        while (experiment := await self._next(slot)) is not None:
            underway = await self._running.start(experiment, slot)
            if not (self._budget.overlaps and await underway.trained()):
                await self._conclude(experiment, underway, slot)
                continue
            await before.wait()  # there is at most one whose training has ended and is not recorded
            before = anyio.Event()
            self._workers.start_soon(self._conclude_beside, experiment, underway, before)

    def _expect_another(self, slot: Slot) -> None:
        if self._workers is not None:
            self._workers.start_soon(self._prepare_next, slot)

    async def _prepare_next(self, slot: Slot) -> None:
        """Have ready what the slot's next trial needs, if it is to have one."""
        reading = await self._stop_sign()
        if reading is not None:
            queue = await self._store.queue() if reading.drain else []
            if all(experiment.id in self._taken for experiment in queue):
                return
        if self._ending is None:
            self._executor.expect(slot, self._budget)

    async def _next(self, slot: Slot) -> Experiment | None:
        """The next experiment for a free slot; None when the run is over."""
        while self._ending is None:
            changed = self._changed
            if self._paused:
                self._publisher.doing(slot, "paused")
            else:
                self._publisher.doing(slot, "proposing")
                async with self._lock:
                    experiment = await self._choose()
                    asked = await self._desk.waiting()
                if experiment is not None:
                    if self._desk.supervised:
                        self._notify()  # there is room for another proposal
                    return experiment
                if self._ending is not None:
                    return None
                self._publisher.doing(slot, "review" if asked else "waiting")
            await changed.wait()
        return None

    async def _choose(self) -> Experiment | None:
        """What waits in the queue, or what the keep rule or the policy adds to it."""
        while self._ending is None:
            reading = await self._stop_sign()
            if await self._decisions.measure_epoch():
                await self._decisions.settle(reading is None)
            if reading is None or reading.drain:
                for experiment in await self._desk.runnable(await self._store.queue()):
                    if experiment.id not in self._taken:
                        self._taken.add(experiment.id)
                        return experiment
            if await self._store.incumbent() is None and self._taken:
                return None  # the baseline's runs decide what comes next
            reading = await self._stop_sign()
            if reading is None:
                if await self._decisions.watch():
                    continue
                if await self._desk.full(self._taken):
                    return None  # enough wait for a person
                try:
                    await self._propose()
                    continue
                except policy.PolicyExhausted as error:
                    sentence = str(error).rstrip(".")
                    reading = oracle.Reading("policy", 1.0, True, sentence, drain=True)
            if reading.drain and await self._desk.waiting():
                return None  # what is counted already waits for a person
            if not self._taken:  # what still runs may leave a candidate to confirm
                ended: Literal["finished", "stopped"] = "stopped" if reading.fault else "finished"
                self._end(ended, reading.sentence, reading.name)
            return None
        return None

    async def _conclude_beside(
        self, experiment: Experiment, underway: Underway, concluded: anyio.Event
    ) -> None:
        try:
            await self._conclude(experiment, underway)
        finally:
            concluded.set()

    async def _conclude(
        self, experiment: Experiment, underway: Underway, slot: Slot | None = None
    ) -> None:
        """Wait for the result, and record it; `slot` is the one that has to wait for that."""
        try:
            result = await underway.result()
            if slot is not None:
                self._publisher.doing(slot, "recording")
            fault_point("scored")
            # A finished trial is worth a GPU's minutes: nothing may come between it and its record.
            with anyio.CancelScope(shield=True):
                async with self._lock:
                    await self._decisions.conclude(experiment, result)
                    self._learn(experiment, result)
                    self._publisher.show("policy", await self._decisions.insight())
        finally:
            self._taken.discard(experiment.id)
            self._notify()

    def _learn(self, experiment: Experiment, result: TrialResult) -> None:
        if result.evaluation is not None and result.status != "interrupted":
            ended = Ended(experiment.source_sha, result.val_bpb, result.evaluation)
            self._evaluation.learn(ended)
        self._publisher.show("selfeval", self._evaluation.report())

    def _end(self, state: Literal["finished", "stopped"], reason: str, criterion: str = "") -> None:
        if self._ending is None:
            self._ending = Ending(state, reason, criterion)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
