"""The local executor: each trial in a sandbox under a supervisor, then scored by the scorer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

import anyio
import anyio.abc

from engine.executor import Budget, Listener, Slot, TrialRequest, TrialResult, TrialStatus
from engine.spares import Spare, Spares
from engine.trial import Lane, Machine, Trial
from env.manifest import Environment
from env.sandbox import Sandbox


class Runnable(Protocol):
    """A trial as a job sees it."""

    freed: anyio.Event
    aborted: tuple[TrialStatus, str] | None

    async def run(self) -> TrialResult:
        """Run it to its end."""

    async def stop_training(self) -> None:
        """Have its processes ended."""


class LocalJob:
    """A trial that runs in the executor's task group."""

    def __init__(self, trial: Runnable, tasks: anyio.abc.TaskGroup) -> None:
        self._trial = trial
        self._tasks = tasks
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()
        self._result = TrialResult("interrupted", "the engine ended it")

    async def trained(self) -> bool:
        """Wait until nothing is left of what trained; whether it has still to be scored."""
        await self._trial.freed.wait()
        return not self._done.is_set()

    async def result(self) -> TrialResult:
        """Wait for the end."""
        await self._done.wait()
        return self._result

    def abort(self, reason: str, status: TrialStatus = "abort") -> None:
        """End its training, in an orderly way: what it used is still told."""
        if self._trial.aborted is None:
            self._trial.aborted = status, reason
            self._tasks.start_soon(self._trial.stop_training)

    def cancel(self) -> None:
        """End the trial and everything that it started."""
        self._scope.cancel()

    async def run(self) -> None:
        """Run the trial to its end."""
        try:
            with self._scope:
                self._result = await self._trial.run()
        finally:
            self._trial.freed.set()
            self._done.set()


class LocalExecutor:
    """Runs trials on this machine's devices. `tasks` bounds the life of every trial."""

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        environment: Environment,
        confined: Sandbox,
        scratch: Path,
        *,
        warm: bool = False,
    ) -> None:
        """`scratch` is a folder for weights on their way to the scorer.

        With `warm` the next trial's process is started beforehand, where bubblewrap gives it
        process ids of its own: elsewhere it would wait among those of the candidate that runs.
        """
        self._tasks = tasks
        self._warm = warm and confined.bwrap is not None
        start = partial(Spare.start, environment=environment, confined=confined, scratch=scratch)
        self._machine = Machine(environment, confined, Spares(tasks, start), start)
        self._lanes: dict[int, Lane] = {}

    async def submit(self, request: TrialRequest, listener: Listener) -> LocalJob:
        """Start a trial on its slot."""
        lane = self._lanes.setdefault(request.slot.number, Lane())
        job = LocalJob(Trial(request, listener, self._machine, lane), self._tasks)
        self._tasks.start_soon(job.run, name=f"experiment {request.experiment_id}")
        return job

    def expect(self, slot: Slot, budget: Budget) -> None:
        """Have a process ready for the slot's next trial."""
        if self._warm:
            self._machine.spares.prepare(slot, budget)
