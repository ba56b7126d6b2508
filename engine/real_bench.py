"""Policies on a real target: every candidate is trained and scored, as in a study.

All policies of a study see the same baseline run, and the same seed for their k-th experiment. The
last incumbent is then trained again with fresh seeds: the best of many noisy scores is biased.
"""

from __future__ import annotations

import itertools
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import anyio
from anyio import CapacityLimiter, to_thread

from engine.bench_journal import Journal, Trial
from engine.conditions import Conditions, establish
from engine.decisions import BaselineFailed, trial_seed
from engine.devices import device_model
from engine.events import Announce
from engine.executor import Budget, Executor, Listener, Slot, TrialRequest
from engine.local import LocalExecutor
from engine.policy_bench import Climb, Contestant, StudyRecord
from engine.settings import Settings
from policy import Outcome, Status
from policy.search import digest

CONFIRM_FROM = 1_000_000  # numbers of the fresh runs: no experiment has these seeds

_STATUS: dict[str, Status] = {
    "scored": "discard",
    "crash": "crash",
    "timeout": "timeout",
    "oom": "oom",
    "invalid": "invalid",
}
_Got = TypeVar("_Got")
_Given = TypeVarTuple("_Given")
Say = Callable[[str, int], None]  # a sentence or "", and how many trainings it stands for


class BenchStopped(Exception):
    """A signal ended the bench; every training that had ended is in the resume file."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@dataclass(frozen=True)
class RealPlan:
    """Who competes on what, and for how long."""

    entered: tuple[Contestant, ...]
    target: str
    name: str  # of the target
    seeds: tuple[int, ...]
    experiments: int
    reruns: int  # fresh runs of each policy's last incumbent

    @property
    def trainings(self) -> int:
        """How many trainings the whole bench takes at most, besides the baselines."""
        return len(self.seeds) * len(self.entered) * (self.experiments + self.reruns)


async def bench_target(
    plan: RealPlan, settings: Settings, path: Path | None, announce: Announce, say: Say
) -> list[StudyRecord]:
    """Run the whole bench on this machine; `path` is the file that an interrupted one goes on from.

    Raises BenchStopped when a signal ends it.
    """
    for contestant in plan.entered:
        contestant.make(plan.target, plan.seeds[0])  # what is wrong with it is said at once
    conditions = await establish(settings, announce)
    with (
        Journal(path, conditions_of(plan, conditions)) as journal,
        tempfile.TemporaryDirectory(prefix="arl-bench-") as scratch,
    ):
        if journal.warning:
            say(journal.warning, 0)
        received = 0
        records: list[StudyRecord] = []
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                nonlocal received
                with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                    async for number in signals:
                        received = int(number)
                        tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            executor = LocalExecutor(
                tasks, conditions.environment, conditions.confined, Path(scratch)
            )
            bench = RealBench(plan, executor, conditions.slots, conditions.budget, journal, say)
            records = await bench.run()
            tasks.cancel_scope.cancel()
    if received:
        raise BenchStopped(received)
    return records


def conditions_of(plan: RealPlan, conditions: Conditions) -> dict[str, Any]:
    """What must stay the same for the trainings of a resume file to be comparable."""
    return {
        "target": digest(plan.target),
        "environment": conditions.environment.digest,
        "budget": conditions.budget.seconds,
        "clock": conditions.budget.clock,
        "device": device_model(conditions.slots),
        "torch": version("torch"),
    }


class RealBench:
    """Drives every policy through every study; each slot takes one such pair after the other."""

    def __init__(
        self,
        plan: RealPlan,
        executor: Executor,
        slots: Sequence[Slot],
        budget: Budget,
        journal: Journal,
        say: Say,
    ) -> None:
        self._plan = plan
        self._executor = executor
        self._slots = slots
        self._budget = budget
        self._journal = journal
        self._say = say
        self._trained = 0
        self._one = CapacityLimiter(1)
        pairs = itertools.product(plan.seeds, plan.entered)
        self._pairs = deque((number, *pair) for number, pair in enumerate(pairs))
        self._records: dict[int, StudyRecord] = {}
        self._baseline_locks = {seed: anyio.Lock() for seed in plan.seeds}

    async def run(self) -> list[StudyRecord]:
        """The records, study by study. Raises BaselineFailed and policy.PolicyError."""
        async with anyio.create_task_group() as tasks:
            for slot in self._slots:
                tasks.start_soon(self._work, slot)
        return [self._records[number] for number in range(len(self._records))]

    async def _work(self, slot: Slot) -> None:
        while self._pairs:
            number, seed, contestant = self._pairs.popleft()
            self._records[number] = await self._study(contestant, seed, slot)

    async def _study(self, contestant: Contestant, seed: int, slot: Slot) -> StudyRecord:
        plan, label = self._plan, contestant.label
        record = self._journal.study(label, plan.name, seed, plan.experiments, plan.reruns)
        if record is not None:
            self._say("", plan.experiments + plan.reruns)
            return record
        baseline = await self._baseline(seed, slot)
        climb = await self._thinking(Climb, contestant, plan.target, seed, baseline)
        for number in range(1, plan.experiments + 1):
            if not await self._experiment(contestant, climb, seed, number, slot):
                left = plan.experiments - number + 1
                self._say(f"{label}, study {seed}: nothing left to try", left)
                break
        confirmed = await self._confirm(contestant, climb.incumbent, seed, slot)
        record = climb.record(plan.name, plan.experiments, reruns=plan.reruns, confirmed=confirmed)
        self._journal.add_study(record)
        return record

    async def _baseline(self, seed: int, slot: Slot) -> Outcome:
        """The study's baseline, trained once for all policies."""
        async with self._baseline_locks[seed]:
            source = self._plan.target
            outcome = self._journal.outcome(seed, 0, source)
            if outcome is None:
                outcome = await self._train(source, seed, 0, slot)
                if outcome.val_bpb is None:
                    raise BaselineFailed(f"the baseline ended as {outcome.status}")
                self._journal.add_outcome(seed, 0, source, outcome)
                self._say(f"baseline, study {seed}: {_said(outcome)}", 0)
            return outcome

    async def _experiment(
        self, contestant: Contestant, climb: Climb, seed: int, number: int, slot: Slot
    ) -> bool:
        """One proposal; False when there is none. What the journal has is told, not trained."""
        before = climb.ask_seconds
        proposal = await self._thinking(climb.ask)
        if proposal is None:
            return False
        known = self._journal.trial(contestant.label, seed, number)
        if known is not None:
            # A policy that asks a language model answers something else now: what was run counts.
            same = proposal.source == known.proposal.source
            climb.ask_seconds = before + known.ask_seconds
            told = proposal if same else known.proposal
            await self._thinking(climb.tell, told, known.outcome)
            self._say("", 1)
            return True
        outcome = await self._train(proposal.source, seed, number, slot)
        trial = Trial(proposal, outcome, climb.ask_seconds - before)
        self._journal.add_trial(contestant.label, seed, number, trial)
        await self._thinking(climb.tell, proposal, outcome)
        name = f"{contestant.label}, study {seed}, experiment {number}"
        self._say(f"{name}: {_said(outcome)}; best {climb.value:.4f}", 1)
        return True

    async def _confirm(
        self, contestant: Contestant, source: str, seed: int, slot: Slot
    ) -> tuple[float, ...]:
        """Fresh runs of a last incumbent; policies that ended at the same one share them."""
        scores: list[float] = []
        for number in range(CONFIRM_FROM, CONFIRM_FROM + self._plan.reruns):
            outcome = self._journal.outcome(seed, number, source)
            if outcome is None:
                outcome = await self._train(source, seed, number, slot)
                self._journal.add_outcome(seed, number, source, outcome)
            self._say(f"{contestant.label}, study {seed}, its best again: {_said(outcome)}", 1)
            if outcome.val_bpb is not None:
                scores.append(outcome.val_bpb)
        return tuple(scores)

    async def _thinking(self, work: Callable[[*_Given], _Got], *given: *_Given) -> _Got:
        """A policy's work, one at a time: trials are listened to meanwhile."""
        return await to_thread.run_sync(work, *given, limiter=self._one)

    async def _train(self, source: str, seed: int, number: int, slot: Slot) -> Outcome:
        self._trained += 1
        request = TrialRequest(
            experiment_id=self._trained,
            attempt=1,
            source=source,
            seed=trial_seed(seed, number),
            budget=self._budget,
            slot=slot,
        )
        job = await self._executor.submit(request, Listener())
        result = await job.result()
        return Outcome(
            status=_STATUS[result.status],
            val_bpb=result.val_bpb,
            seconds=result.seconds,
            peak_memory_mb=result.peak_memory_mb,
        )


def _said(outcome: Outcome) -> str:
    return outcome.status if outcome.val_bpb is None else f"val-bpb {outcome.val_bpb:.4f}"
