"""One trial: a candidate trains in a process of its own, and its weights are scored.

While it is scored, its slot may go on with the next trial. A scorer needs a device's time and
memory, though. So with the clock `wall` the next trial waits for it, stopped, before its own clock
starts; and what ran out of memory beside another is run once more, alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from engine import messages, orders
from engine.curve import LossCurve
from engine.executor import (
    Budget,
    CurvePoint,
    Listener,
    Slot,
    TrialRequest,
    TrialResult,
    TrialStatus,
)
from engine.faults import fault_point
from engine.output_reading import last_error
from engine.spares import Spare, Spares
from engine.supervised import Supervisor, SupervisorError, supervise
from engine.timing import Split
from env.manifest import Environment
from env.sandbox import Sandbox


@dataclass(frozen=True)
class Machine:
    """What trials run on. `start` starts a trial's process when there is no spare one."""

    environment: Environment
    confined: Sandbox
    spares: Spares
    start: Callable[[Slot, Budget], Awaitable[Spare]]


@dataclass
class Lane:
    """The order on one slot: one trial trains, and one is scored. Locked in this order."""

    training: anyio.Lock = field(default_factory=anyio.Lock)
    scoring: anyio.Lock = field(default_factory=anyio.Lock)
    trials: int = 0  # started so far


@dataclass
class _Heard:
    """What a trial has said so far: claims of a process that runs candidate code."""

    loaded: bool = False
    failed: messages.Failed | None = None
    trained: messages.Trained | None = None
    saved: messages.Saved | None = None


class Trial:
    """A trial on its slot's lane. When it is `freed`, the slot is: nothing that trained is left."""

    def __init__(
        self, request: TrialRequest, listener: Listener, machine: Machine, lane: Lane
    ) -> None:
        self.freed = anyio.Event()
        self.aborted: tuple[TrialStatus, str] | None = None  # as what, and why
        self._over_limit = False  # of its own memory, whatever runs beside it
        self._supervisor: Supervisor | None = None  # while it trains
        self._request = request
        self._listener = listener
        self._machine = machine
        self._lane = lane
        self._curve = LossCurve()
        self._heard = _Heard()
        self._split = Split("spawn")

    async def stop_training(self) -> None:
        """Have its processes ended, if it still trains."""
        if self._supervisor is not None:
            await self._supervisor.abort()

    async def run(self) -> TrialResult:
        """Train it and score it."""
        with ExitStack() as folders:
            try:
                result = await self._run(folders)
            except SupervisorError as error:
                result = TrialResult("crash", str(error), curve=self._curve.points())
        return replace(result, timing=self._split.seconds())

    async def _run(self, folders: ExitStack) -> TrialResult:
        lane = self._lane
        async with lane.training:
            lane.trials += 1
            beside = lane.scoring.locked()
            trained, folder = await self._train(folders, alone=False)
            if trained.status == "oom" and beside and not self._over_limit:
                async with lane.scoring:
                    self.aborted = None
                    trained, folder = await self._train(folders, alone=True)
            if trained.status != "scored":
                return trained
            await lane.scoring.acquire()
        before = lane.trials
        self.freed.set()
        try:
            result = await self._score(folder, trained)
        finally:
            lane.scoring.release()
        if result.status == "oom" and lane.trials != before:
            async with lane.training, lane.scoring:
                result = await self._score(folder, trained)
        return result

    # -- training ----------------------------------------------------------------------------

    async def _train(self, folders: ExitStack, alone: bool) -> tuple[TrialResult, Path]:
        """Train; status `scored` here means that there are weights to score, in the folder.

        `alone` says that nothing is scored on its lane until it has ended.
        """
        self._listener.on_phase("starting")
        spare = await self._machine.spares.take(self._request.slot, self._request.budget)
        if spare is not None:
            try:
                end = await self._use(spare, folders, alone)
            except SupervisorError:
                if self._heard.loaded:
                    raise
            else:
                if self._heard.loaded:
                    return self._ended(end), spare.folder
            # The spare ended before it had run anything of the candidate's.
        spare = await self._machine.start(self._request.slot, self._request.budget)
        return self._ended(await self._use(spare, folders, alone)), spare.folder

    async def _use(self, spare: Spare, folders: ExitStack, alone: bool) -> messages.Exit:
        """Give a process its candidate, and let it come to its end."""
        folders.callback(shutil.rmtree, spare.folder, ignore_errors=True)
        self._heard, self._curve = _Heard(), LossCurve()
        supervisor = self._supervisor = spare.supervisor

        async def hear(body: object) -> None:
            self._hear(body)
            if isinstance(body, messages.Built):
                if not alone:
                    async with self._lane.scoring:
                        pass  # what was scored beside its start-up has ended
                try:
                    await supervisor.send({"type": "go"})
                except SupervisorError:
                    pass  # it ended while it was held: its last word says how

        try:
            identity = supervisor.identity
            if identity is not None:
                await self._listener.on_process(identity)
            self._split.enter("spawn")
            await supervisor.send(orders.candidate(self._request, self._machine.environment))
            self._split.enter("import")
            fault_point("spawned")
            return await supervisor.listen(hear)
        finally:
            self._supervisor = None
            await supervisor.close()
            self._split.enter("scorer")

    def _hear(self, body: object) -> None:
        heard, split = self._heard, self._split
        if isinstance(body, messages.Report):
            if split.part == "first_batch":
                split.enter("training")
            if self.aborted is not None:
                return  # what it did until it was killed has no part in anything
            point = CurvePoint(body.progress, body.step, body.loss)
            self._curve.add(point)
            self._listener.on_report(point)
            fault_point("reported")
        elif isinstance(body, messages.Loaded):
            heard.loaded = True
            split.enter("build")
        elif isinstance(body, messages.Built):
            split.enter("held")
        elif isinstance(body, messages.Ready):
            split.enter("first_batch")
            self._listener.on_phase("training")
            fault_point("training")
        elif isinstance(body, messages.Trained):
            heard.trained = heard.trained or body
            split.enter("hand_in")
            self._listener.on_phase("scoring")
            fault_point("trained")
        elif isinstance(body, messages.Saved):
            heard.saved = heard.saved or body
            split.enter("teardown")
        elif isinstance(body, messages.Failed):
            heard.failed = heard.failed or body

    def _ended(self, end: messages.Exit) -> TrialResult:
        heard, slot = self._heard, self._request.slot
        points = self._curve.points()
        steps = heard.trained.steps if heard.trained else points[-1].step if points else 0
        peak = end.peak_memory_mb
        if heard.saved is not None and slot.device.startswith("cuda"):
            peak = heard.saved.peak_memory_mb
        self._over_limit = end.kind == "oom"
        status, reason = _verdict(end, heard, slot.memory_bytes)
        if self.aborted is not None:
            status, reason = self.aborted
            steps = points[-1].step if points else 0
        by_steps = self._request.budget.clock == "steps"
        return TrialResult(
            status=status,
            reason=reason,
            seconds=float(steps) if by_steps else end.clock_seconds,
            wall_seconds=end.wall_seconds,
            startup_seconds=end.startup_seconds,
            steps=steps,
            peak_memory_mb=peak,
            contention=end.contention,
            other_load=end.other_load,
            curve=points,
            log=end.log,
        )

    # -- scoring -----------------------------------------------------------------------------

    async def _score(self, folder: Path, trained: TrialResult) -> TrialResult:
        self._split.enter("score")
        request, machine = self._request, self._machine
        seconds = orders.score_seconds(machine.environment, request.budget.startup_seconds)
        order = orders.score(request, machine.environment, machine.confined, folder, seconds)
        fault_point("scoring")
        said: list[messages.Scored | messages.Failed] = []

        async def hear(body: object) -> None:
            # The trial is gone: this channel is the scorer's alone, and a score counts only here.
            if isinstance(body, messages.Scored | messages.Failed) and not said:
                said.append(body)

        end = await supervise(order, hear, self._listener.on_process)
        if not said:
            kind: TrialStatus = "crash" if end.kind == "exited" else end.kind
            reason = f"while being scored: {end.reason}"
            return replace(trained, status=kind, reason=reason, log=end.log)
        if isinstance(said[0], messages.Failed):
            return replace(trained, status=said[0].status, reason=said[0].reason, log=end.log)
        score = said[0]
        return replace(
            trained,
            score_seconds=score.seconds,
            val_bpb=score.val_bpb,
            sealed_bpb=score.sealed_bpb,
        )


def _verdict(end: messages.Exit, heard: _Heard, memory_bytes: int) -> tuple[TrialStatus, str]:
    """What the outside saw counts first; then what the candidate's own process said."""
    if end.kind != "exited":
        return end.kind, end.reason
    if heard.failed is not None:
        return heard.failed.status, heard.failed.reason
    if not end.clean:
        if messages.starved(end, memory_bytes):
            return "oom", "the system killed it for its memory"
        return "crash", last_error(end.log) or end.reason
    if heard.saved is None:
        return "crash", "it ended without handing in weights"
    return "scored", ""
