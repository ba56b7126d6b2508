"""The executor of command targets: each run in a work copy, in a sandbox, under a supervisor."""

from __future__ import annotations

from pathlib import Path

import anyio.abc

from engine.command_target import CommandTarget
from engine.command_trial import CommandTrial, Workshop
from engine.executor import Budget, Listener, Slot, TrialRequest
from engine.local import LocalJob
from env.sandbox import Sandbox


class CommandExecutor:
    """Runs a command target on this machine. `tasks` bounds the life of every run."""

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        target: CommandTarget,
        confined: Sandbox,
        scratch: Path,
    ) -> None:
        """`scratch` is a folder of the study's, for work copies."""
        self._tasks = tasks
        self._workshop = Workshop(target, confined, scratch)

    async def submit(self, request: TrialRequest, listener: Listener) -> LocalJob:
        """Start a run on its slot."""
        job = LocalJob(CommandTrial(request, listener, self._workshop), self._tasks)
        self._tasks.start_soon(job.run, name=f"experiment {request.experiment_id}")
        return job

    def expect(self, slot: Slot, budget: Budget) -> None:
        """Nothing can be prepared: the interpreter is the person's, and starts with the command."""
