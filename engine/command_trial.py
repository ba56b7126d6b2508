"""One run of a command target: a candidate in a work copy of its folder, and the score it prints.

The score is self-reported: the script that is edited has computed it. What can be held against it
is held: files that are frozen, a deadline, and how the command ended.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from engine import command_order, messages, work_copy
from engine.command_target import CommandTarget
from engine.curve import LossCurve
from engine.executor import Budget, CurvePoint, Listener, TrialRequest, TrialResult, TrialStatus
from engine.faults import fault_point
from engine.output_reading import (
    failing_part,
    last_error,
    last_line,
    out_of_memory,
    without_values,
)
from engine.score_pattern import ScoreError, parse_score
from engine.supervised import Supervisor, SupervisorError
from engine.timing import Split
from engine.work_copy import remove_tree
from env.sandbox import Sandbox
from state.folder import StudyFolder
from state.orientation import Orientation
from target import source
from target.reseeding import reseed


@dataclass(frozen=True)
class Workshop:
    """What the runs of a command target share: `scratch` is a folder for their work copies."""

    target: CommandTarget
    confined: Sandbox
    scratch: Path


class CommandTrial:
    """A run of a command target; its slot is `freed` at its end."""

    def __init__(self, request: TrialRequest, listener: Listener, workshop: Workshop) -> None:
        self.freed = anyio.Event()
        self.aborted: tuple[TrialStatus, str] | None = None  # as what, and why
        self._request = request
        self._listener = listener
        self._workshop = workshop
        self._supervisor: Supervisor | None = None  # while it runs
        self._curve = LossCurve()
        self._split = Split("spawn")

    async def stop_training(self) -> None:
        """Have its processes ended, if it still runs."""
        if self._supervisor is not None:
            await self._supervisor.abort()

    async def run(self) -> TrialResult:
        """Run it, and read its score."""
        self._listener.on_phase("starting")
        folder: Path | None = None
        try:
            workshop = self._workshop
            await to_thread.run_sync(partial(workshop.scratch.mkdir, parents=True, exist_ok=True))
            folder = Path(tempfile.mkdtemp(prefix="command-", dir=workshop.scratch))
            result = await self._run(folder)
        except (SupervisorError, OSError, source.SourceError, ValueError) as error:
            result = TrialResult("crash", str(error), curve=self._curve.points())
        finally:
            if folder is not None:
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(remove_tree, folder)
        return replace(result, timing=self._split.seconds())

    async def _run(self, folder: Path) -> TrialResult:
        target = self._workshop.target
        changed = await to_thread.run_sync(target.frozen.touched)
        if changed:
            return TrialResult("interrupted", f"{', '.join(changed)} changed before it ran")
        order = await to_thread.run_sync(self._prepare, folder)
        end = await self._supervise(order)
        end = end.model_copy(update={"log": without_values(end.log, self._passed(order))})
        result = self._result(end)
        if result.status != "scored":
            return result
        tampered = await to_thread.run_sync(target.frozen.changed, folder / "work")
        if tampered and not self._workshop.confined.bwrap:
            reason = f"it changed what is frozen: {', '.join(tampered)}"
            return replace(result, status="invalid", reason=reason, val_bpb=None)
        changed = await to_thread.run_sync(target.frozen.touched)
        if changed:
            reason = f"{', '.join(changed)} changed while it ran"
            return replace(result, status="interrupted", reason=reason, val_bpb=None)
        return result

    def _passed(self, order: dict[str, Any]) -> dict[str, str]:
        """The variables that the person passes on, whose values are not recorded."""
        names = self._workshop.target.access.pass_env
        return {name: order["env"][name] for name in names if name in order["env"]}

    def _prepare(self, folder: Path) -> dict[str, Any]:
        """Make the work copy, with the candidate in it."""
        target, confined, request = self._workshop.target, self._workshop.confined, self._request
        study = StudyFolder(self._workshop.scratch.parent)
        layout = work_copy.survey(target.folder, target.script, study.parts)
        work = folder / "work"
        work_copy.copy(target.folder, layout, work, link_shared=confined.bwrap is None)
        script = work / target.script
        script.parent.mkdir(parents=True, exist_ok=True)
        script.unlink(missing_ok=True)
        text = reseed(request.source, request.seed) if target.reseeded else request.source
        source.write(script, text)
        original = target.folder / target.script
        if original.exists():
            shutil.copymode(original, script)
        return command_order.command(
            target, layout, request.slot, request.budget, confined, folder, request.seed
        )

    async def _supervise(self, order: dict[str, Any]) -> messages.Exit:
        supervisor = self._supervisor = await Supervisor.start()
        progress = self._workshop.target.progress

        async def hear(body: object) -> None:
            self._hear(body)

        try:
            identity = supervisor.identity
            if identity is not None:
                await self._listener.on_process(identity)
            await supervisor.send(order)
            self._split.enter("build" if progress else "training")
            if progress is None:
                self._listener.on_phase("training")
            fault_point("spawned")
            return await supervisor.listen(hear)
        finally:
            self._supervisor = None
            await supervisor.close()
            self._split.enter("teardown")

    def _hear(self, body: object) -> None:
        if isinstance(body, messages.Ready):
            self._split.enter("training")
            self._listener.on_phase("training")
            fault_point("training")
        elif isinstance(body, messages.Report) and self.aborted is None:
            point = CurvePoint(body.progress, body.step, body.loss)
            self._curve.add(point)
            self._listener.on_report(point)
            fault_point("reported")

    def _result(self, end: messages.Exit) -> TrialResult:
        target, request = self._workshop.target, self._request
        points = self._curve.points()
        score: float | None = None
        if self.aborted is not None:
            status, reason = self.aborted
        elif end.kind != "exited":
            status, reason = end.kind, _outside(end, request.budget)
        elif not end.clean:
            status, reason = _failure(end, request.slot.memory_bytes)
        else:
            status, reason, score = _success(end, target)
        return TrialResult(
            status=status,
            reason=reason,
            val_bpb=score,
            seconds=end.wall_seconds,
            wall_seconds=end.wall_seconds,
            startup_seconds=end.startup_seconds,
            steps=points[-1].step if points else 0,
            peak_memory_mb=_memory(end),
            contention=end.contention,
            other_load=end.other_load,
            curve=points,
            log=end.log,
        )


def _outside(end: messages.Exit, budget: Budget) -> str:
    """Why the supervisor ended it."""
    if end.kind != "timeout":
        return end.reason
    return (
        f"it ran longer than {budget.cap:g} s: {budget.seconds:g} s of budget and "
        f"{budget.startup_seconds:g} s for all else"
    )


def _failure(end: messages.Exit, memory_bytes: int) -> tuple[TrialStatus, str]:
    """What a command failed of that ended with an error."""
    memory = out_of_memory(failing_part(end.log))
    if memory is not None:
        return "oom", memory
    if messages.starved(end, memory_bytes):
        return "oom", "the system killed it for its memory"
    error = last_error(end.log)
    if error is not None:
        return "crash", f"{error}{_hint(error)}"
    said = last_line(end.log)
    return "crash", f"{end.reason}: {said}" if said else end.reason


def _hint(error: str) -> str:
    """What to do about a variable that the person has, and the command has not."""
    missing = re.fullmatch(r"KeyError: '([A-Za-z_]\w*)'", error)
    if missing is None or missing[1] not in os.environ:
        return ""
    return f" (to pass {missing[1]} on, name it in access.pass_env)"


def _success(end: messages.Exit, target: CommandTarget) -> tuple[TrialStatus, str, float | None]:
    """The score of a command that ended well, in the engine's sense: lower is better."""
    name = target.metric.name
    if end.score is None:
        memory = out_of_memory(end.log)
        if memory is not None:
            return "oom", memory, None
        sought = f"matches {target.pattern}"
        if target.metric.pattern is None:
            sought = f"has `{name}: number` or `{name} = number`"
        return "crash", f"it ended without printing {name} (no line {sought})", None
    try:
        score = parse_score(end.score, name)
    except ScoreError as error:
        return "crash", str(error), None
    return "scored", "", Orientation(target.metric.direction).number(score)


def _memory(end: messages.Exit) -> float:
    """Peak memory in MiB: as the script tells it, else as it was measured."""
    if end.memory is not None:
        try:
            return max(0.0, parse_score(end.memory, "memory"))
        except ScoreError:
            pass
    return end.peak_memory_mb
