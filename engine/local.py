"""The local executor: each trial in a sandbox under a supervisor, then scored by the scorer."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.abc

from engine import messages, orders
from engine.curve import LossCurve
from engine.executor import CurvePoint, Listener, TrialRequest, TrialResult, TrialStatus
from engine.faults import fault_point
from engine.supervised import SupervisorError, supervise
from env.manifest import Environment
from env.sandbox import Sandbox


class LocalJob:
    """A trial that runs in the executor's task group."""

    def __init__(self) -> None:
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()
        self._result = TrialResult("interrupted", "the engine ended it")

    async def result(self) -> TrialResult:
        """Wait for the end."""
        await self._done.wait()
        return self._result

    def cancel(self) -> None:
        """End the trial and everything that it started."""
        self._scope.cancel()

    async def run(self, trial: _Trial) -> None:
        """Run the trial to its end."""
        try:
            with self._scope:
                self._result = await trial.run()
        finally:
            self._done.set()


class LocalExecutor:
    """Runs trials on this machine's devices. `tasks` bounds the life of every trial."""

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        environment: Environment,
        confined: Sandbox,
        scratch: Path,
    ) -> None:
        """`scratch` is a folder for weights on their way to the scorer."""
        self._tasks = tasks
        self._environment = environment
        self._sandbox = confined
        self._scratch = scratch

    async def submit(self, request: TrialRequest, listener: Listener) -> LocalJob:
        """Start a trial on its slot."""
        job = LocalJob()
        trial = _Trial(request, listener, self._environment, self._sandbox, self._scratch)
        self._tasks.start_soon(job.run, trial, name=f"experiment {request.experiment_id}")
        return job


@dataclass
class _Heard:
    """What a trial has said so far: claims of a process that runs candidate code."""

    failed: messages.Failed | None = None
    trained: messages.Trained | None = None
    saved: messages.Saved | None = None


class _Trial:
    def __init__(
        self,
        request: TrialRequest,
        listener: Listener,
        environment: Environment,
        confined: Sandbox,
        scratch: Path,
    ) -> None:
        self._request = request
        self._listener = listener
        self._environment = environment
        self._sandbox = confined
        self._scratch = scratch
        self._curve = LossCurve()
        self._heard = _Heard()

    async def run(self) -> TrialResult:
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="trial-", dir=self._scratch))
        try:
            trained = await self._train(folder)
            return await self._score(folder, trained) if trained.status == "scored" else trained
        except SupervisorError as error:
            return TrialResult("crash", str(error), curve=self._curve.points())
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _train(self, folder: Path) -> TrialResult:
        """Train; status `scored` here means that there are weights to score."""
        self._listener.on_phase("starting")
        order = orders.train(self._request, self._environment, self._sandbox, folder)
        end = await supervise(order, self._hear, self._listener.on_process)
        heard = self._heard
        clock = self._request.budget.clock
        steps = heard.trained.steps if heard.trained else self._steps()
        peak = end.peak_memory_mb
        if heard.saved is not None and self._request.slot.device.startswith("cuda"):
            peak = heard.saved.peak_memory_mb
        status, reason = _verdict(end, heard, self._request.slot.memory_bytes)
        return TrialResult(
            status=status,
            reason=reason,
            seconds=float(steps) if clock == "steps" else end.clock_seconds,
            wall_seconds=end.wall_seconds,
            startup_seconds=end.startup_seconds,
            steps=steps,
            peak_memory_mb=peak,
            contention=end.contention,
            other_load=end.other_load,
            curve=self._curve.points(),
            log=end.log,
        )

    async def _score(self, folder: Path, trained: TrialResult) -> TrialResult:
        self._listener.on_phase("scoring")
        startup = self._request.budget.startup_seconds
        seconds = orders.score_seconds(self._environment, startup)
        order = orders.score(self._request, self._environment, self._sandbox, folder, seconds)
        fault_point("scoring")
        said: list[messages.Scored | messages.Failed] = []

        def hear(body: object) -> None:
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

    def _hear(self, body: object) -> None:
        heard = self._heard
        if isinstance(body, messages.Report):
            point = CurvePoint(body.progress, body.step, body.loss)
            self._curve.add(point)
            self._listener.on_report(point)
            fault_point("reported")
        elif isinstance(body, messages.Ready):
            self._listener.on_phase("training")
            fault_point("training")
        elif isinstance(body, messages.Trained):
            heard.trained = heard.trained or body
            fault_point("trained")
        elif isinstance(body, messages.Saved):
            heard.saved = heard.saved or body
        elif isinstance(body, messages.Failed):
            heard.failed = heard.failed or body

    def _steps(self) -> int:
        points = self._curve.points()
        return points[-1].step if points else 0


def _verdict(end: messages.Exit, heard: _Heard, memory_bytes: int) -> tuple[TrialStatus, str]:
    """What the outside saw counts first; then what the candidate's own process said."""
    if end.kind != "exited":
        return end.kind, end.reason
    if heard.failed is not None:
        return heard.failed.status, heard.failed.reason
    if not end.clean:
        # Nobody here killed it, so a kill after much memory was the kernel's.
        starved = "SIGKILL" in end.reason or end.reason.endswith("code 137")
        if starved and end.peak_memory_mb > memory_bytes / 2**21:
            return "oom", "the system killed it for its memory"
        return "crash", _last_error(end.log) or end.reason
    if heard.saved is None:
        return "crash", "it ended without handing in weights"
    return "scored", ""


def _last_error(log: str) -> str | None:
    """The last line of the last traceback in a log."""
    _, found, after = log.rpartition("Traceback (most recent call last)")
    lines = [line for line in after.splitlines() if line and not line[0].isspace()]
    return lines[-1][:500] if found and lines else None
