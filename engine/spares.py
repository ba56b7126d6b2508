"""Trial processes that wait for their candidate, with all imported that any candidate needs.

Each waits in a sandbox of its own and serves one trial; nothing is ever forked from one. Its
lifeline ends it with the engine.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.abc

from engine import orders
from engine.executor import Budget, Slot
from engine.supervised import Supervisor, SupervisorError
from env.manifest import Environment
from env.sandbox import Sandbox


class Spare:
    """A trial's process without its candidate, and the folder that its weights will go to."""

    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        self.supervisor = supervisor
        self.folder = folder

    @classmethod
    async def start(
        cls, slot: Slot, budget: Budget, environment: Environment, confined: Sandbox, scratch: Path
    ) -> Spare:
        """Start one; its folder lies in `scratch`. Raises SupervisorError."""
        folder = _new_folder(scratch)
        try:
            supervisor = await Supervisor.start()
        except BaseException:
            shutil.rmtree(folder)
            raise
        spare = cls(supervisor, folder)
        try:
            await supervisor.send(orders.train(slot, budget, environment, confined, folder))
        except BaseException:
            await spare.discard()
            raise
        return spare

    async def discard(self) -> None:
        """End it and remove its folder."""
        await self.supervisor.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _new_folder(scratch: Path) -> Path:
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="trial-", dir=scratch))


class _Place:
    """Where a slot's spare waits to be taken."""

    def __init__(self, slot: Slot, budget: Budget) -> None:
        self.meant_for = (slot, budget)
        self.started = anyio.Event()  # or it could not be
        self.left = anyio.Event()
        self.spare: Spare | None = None


class Spares:
    """At most one spare for each slot. `tasks` bounds their lives."""

    def __init__(
        self, tasks: anyio.abc.TaskGroup, start: Callable[[Slot, Budget], Awaitable[Spare]]
    ) -> None:
        self._tasks = tasks
        self._start = start
        self._places: dict[int, _Place] = {}

    def prepare(self, slot: Slot, budget: Budget) -> None:
        """Have one ready for the slot's next trial, if there is none."""
        if slot.number not in self._places:
            place = self._places[slot.number] = _Place(slot, budget)
            self._tasks.start_soon(self._keep, place, name=f"spare of slot {slot}")

    async def take(self, slot: Slot, budget: Budget) -> Spare | None:
        """The slot's spare, which is the caller's to end; None when there is none that will do."""
        place = self._places.get(slot.number)
        if place is None:
            return None
        await place.started.wait()
        del self._places[slot.number]
        spare = place.spare
        fits = place.meant_for == (slot, budget)
        if spare is not None and fits and spare.supervisor.alive:
            place.spare = None
        else:
            spare = None
        place.left.set()
        return spare

    async def _keep(self, place: _Place) -> None:
        try:
            place.spare = await self._start(*place.meant_for)
            place.started.set()
            await place.left.wait()
        except (SupervisorError, OSError):
            pass  # the trial starts its own process, and says what is wrong
        finally:
            place.started.set()
            if place.spare is not None:
                await place.spare.discard()
