"""What runs an experiment: `Executor.submit(request) -> Job`, and `await job.result()`."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from env.clock import ClockKind
from state.present import Phase
from state.records import Evaluation, Process

TrialStatus = Literal["scored", "abort", "crash", "timeout", "oom", "invalid", "interrupted"]


@dataclass(frozen=True)
class Budget:
    """What an experiment may spend."""

    seconds: float  # T_max: seconds, or batches when the clock is `steps`
    clock: ClockKind
    startup_seconds: float = 120.0
    wall_cap: float | None = None  # wall seconds of training; None: derived from the clock

    @property
    def cap(self) -> float:
        """The most wall seconds that training may take, whatever the clock says."""
        if self.wall_cap is not None:
            return self.wall_cap
        if self.clock == "wall":
            return self.seconds * 1.1 + 5.0
        return self.seconds * 6.0 + 30.0 if self.clock == "cpu" else 600.0

    @property
    def tolerance(self) -> float:
        """By how much the last batch may overrun before the outside clock ends a trial."""
        return max(1.0, 0.02 * self.seconds)

    @property
    def free_startup(self) -> float:
        """What building and compiling may take, on the clock; more of it is charged as training.

        Counted from where a candidate's own code begins to run: else it could train before the
        start, on whatever it finds.
        """
        return {"cpu": 3.0, "wall": 60.0, "steps": math.inf}[self.clock]

    @property
    def overlaps(self) -> bool:
        """Whether a slot may go on while its last trial is scored.

        With the clock `steps` it may not: what the next one is must not depend on the time.
        """
        return self.clock != "steps"

    def __str__(self) -> str:
        unit = "batches" if self.clock == "steps" else f"{self.clock} s"
        return f"{self.seconds:g} {unit}"


@dataclass(frozen=True)
class Slot:
    """One device that runs one experiment at a time."""

    number: int
    device: str  # "cpu" or "cuda:N"
    threads: int  # 0: as many as a command takes
    memory_bytes: int
    uuid: str = ""  # of the GPU; with its device file, a trial can be shown that GPU alone
    node: str = ""

    def __str__(self) -> str:
        return f"{self.device}#{self.number}" if self.device == "cpu" else self.device


@dataclass(frozen=True)
class TrialRequest:
    """One experiment to run."""

    experiment_id: int
    attempt: int
    source: str
    seed: int
    budget: Budget
    slot: Slot
    sealed: bool = False  # whether the sealed shard is scored too


@dataclass(frozen=True)
class CurvePoint:
    """A reported training loss (nats per token) at a share of the budget."""

    progress: float
    step: int
    loss: float


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended: `scored` with `val_bpb`, or one of the failures with its reason.

    `timing` has the wall seconds of its parts (engine/timing.py).
    """

    status: TrialStatus
    reason: str = ""
    val_bpb: float | None = None
    sealed_bpb: float | None = None
    seconds: float = 0.0  # on the budget clock, as measured outside
    wall_seconds: float = 0.0
    startup_seconds: float = 0.0
    score_seconds: float = 0.0
    steps: int = 0
    peak_memory_mb: float | None = None
    contention: float | None = None  # the share of its time that it waited for a processor
    other_load: float | None = None  # the share of the processors that others used meanwhile
    timing: Mapping[str, float] = field(default_factory=dict)
    evaluation: Evaluation | None = None  # what self-evaluation saw of it
    curve: tuple[CurvePoint, ...] = field(default=(), repr=False)
    log: str = field(default="", repr=False)


async def _ignore(process: Process) -> None:
    """Nobody keeps a record of processes."""


@dataclass(frozen=True)
class Listener:
    """What the engine wants to hear while a trial runs; called on the event loop.

    `on_process` gets each supervisor before it has a candidate.
    """

    on_process: Callable[[Process], Awaitable[None]] = _ignore
    on_phase: Callable[[Phase], None] = lambda phase: None
    on_report: Callable[[CurvePoint], None] = lambda point: None


class Job(Protocol):
    """A submitted trial."""

    async def trained(self) -> bool:
        """Wait until its slot is free for another trial; whether it has still to be scored."""

    async def result(self) -> TrialResult:
        """Wait for the end."""

    def abort(self, reason: str, status: TrialStatus = "abort") -> None:
        """End its training: however that ends now, its result has this status."""

    def cancel(self) -> None:
        """End it: its result becomes `interrupted`."""


class Executor(Protocol):
    """Runs trials."""

    async def submit(self, request: TrialRequest, listener: Listener) -> Job:
        """Start a trial on its slot."""

    def expect(self, slot: Slot, budget: Budget) -> None:
        """Prepare what a slot's next trial will need: there will very likely be one."""
