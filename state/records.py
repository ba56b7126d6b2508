"""The rows of a study's database as frozen records, and the words and rules of a status.

How an experiment ends: the baseline that scored is a `keep`. A candidate that scored is a
`discard` until fresh re-runs confirm its gain, which turns it into a `keep` (a promotion). A
replicate, confirmation or sentinel that scored is a `keep` when it repeats the source that is
the incumbent at that time, else a `discard`. Whatever did not score says why: `abort`, `crash`,
`timeout`, `oom`, `invalid` or `veto`. Only `keep` and `discard` have a val_bpb, and always.

Times are UTC in ISO 8601 with microseconds, such as 2026-11-23T21:04:05.000123Z. A score, which is
called val_bpb here, counts in the study's metric; a delta is a score minus the incumbent's at that
time. The database and viewers have both as the metric counts them, the engine's store so that lower
is better (state/orientation.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any  # what json.loads gives

Kind: TypeAlias = Literal["baseline", "replicate", "candidate", "confirmation", "sentinel"]
Status: TypeAlias = Literal[
    "queued",
    "running",
    "interrupted",
    "keep",
    "discard",
    "abort",
    "crash",
    "timeout",
    "oom",
    "invalid",
    "veto",
]
Operation: TypeAlias = Literal["ask", "tell", "observe"]
StudyState: TypeAlias = Literal["running", "paused", "stopped", "finished"]
Clock: TypeAlias = Literal["wall", "cpu", "steps"]
Point: TypeAlias = tuple[float, int, float | None]
"""One point of a loss curve: (progress 0..1, step, loss in nats per token or None)."""

CONTENTION = "contention"  # the type of an event: the machine is busy, or quiet again
KINDS: tuple[Kind, ...] = ("baseline", "replicate", "candidate", "confirmation", "sentinel")
UNFINISHED: frozenset[Status] = frozenset({"queued", "running", "interrupted"})
SCORED: frozenset[Status] = frozenset({"keep", "discard"})
FAILED: frozenset[Status] = frozenset({"abort", "crash", "timeout", "oom", "invalid", "veto"})
ENDED: frozenset[Status] = SCORED | FAILED
STATUSES: tuple[Status, ...] = (
    "queued",
    "running",
    "interrupted",
    "keep",
    "discard",
    "abort",
    "crash",
    "timeout",
    "oom",
    "invalid",
    "veto",
)

# What may follow each status. One that ended is frozen; `discard -> keep` is a promotion, which
# only candidates get. An interrupted one may be given up, for example when it kills every engine.
NEXT: dict[Status, frozenset[Status]] = {
    "queued": frozenset({"running", "invalid", "veto"}),
    "running": (ENDED - {"veto"}) | {"interrupted"},
    "interrupted": frozenset({"running", "crash", "timeout", "oom", "invalid", "veto"}),
    "discard": frozenset({"keep"}),
    "keep": frozenset(),
    "abort": frozenset(),
    "crash": frozenset(),
    "timeout": frozenset(),
    "oom": frozenset(),
    "invalid": frozenset(),
    "veto": frozenset(),
}


@dataclass(frozen=True, kw_only=True)
class NewStudy:
    """What a study is made from; `settings` is the effective arl.toml as plain values."""

    name: str
    seed: int
    target_name: str
    policy: str
    settings: Json = field(default_factory=dict)
    target_kind: Literal["sealed", "command"] = "sealed"
    metric: str = "val_bpb"
    direction: Literal["min", "max"] = "min"


@dataclass(frozen=True, kw_only=True)
class Study(NewStudy):
    """The study's one row. In a `supervised` study a person approves each candidate."""

    id: str
    created_at: str
    state: StudyState
    stop_reason: str
    supervised: bool


@dataclass(frozen=True, kw_only=True)
class NewEpoch:
    """The conditions under which scores are comparable.

    `budget` is in seconds, or in steps when the clock is `steps`.
    """

    environment_digest: str
    budget: float
    clock: Clock
    device_model: str
    torch_version: str
    environment: Json = None


@dataclass(frozen=True, kw_only=True)
class Epoch(NewEpoch):
    """One epoch of the study; the one with the highest id is the current one."""

    id: int
    started_at: str


@dataclass(frozen=True)
class Process:
    """A process that no later one can be mistaken for: its id, its start in ticks, its boot."""

    pid: int
    start_time: int
    boot_id: str


@dataclass(frozen=True, kw_only=True)
class NewExperiment:
    """An experiment to be queued.

    `source` is the whole script to train, `parent` the source that was edited, from experiment
    `parent_id`. `subject_id` is the experiment that a replicate, confirmation or sentinel
    repeats. `summary` is the edit in one line for people, `why` the policy's reason.
    """

    kind: Kind
    source: str
    seed: int
    parent_id: int | None = None
    subject_id: int | None = None
    parent: str | None = None
    edit: Json = None
    diff: str = ""
    summary: str = ""
    policy: str | None = None
    proposal_number: int | None = None
    log_prob: float | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an experiment ended: what it scored, or why it did not, and what it spent.

    `seconds` counts on the budget's clock, the other seconds on the wall. `timing` says where they
    went, by part. `contention` is the share of its time that it waited for a processor, 0 to 1, and
    `other_load` the share of the machine's processors that others used meanwhile.
    """

    status: Status
    reason: str = ""
    val_bpb: float | None = None
    sealed_bpb: float | None = None
    delta: float | None = None
    seconds: float | None = None
    wall_seconds: float | None = None
    startup_seconds: float | None = None
    score_seconds: float | None = None
    steps: int | None = None
    peak_memory_mb: float | None = None
    timing: Json = None
    contention: float | None = None
    other_load: float | None = None


@dataclass(frozen=True, kw_only=True)
class Look:
    """What self-evaluation saw of a running experiment at `progress` (0..1) of its budget.

    `level` is its smoothed training loss and `tail` what a power law fitted to it ends at, in nats
    per token. `forecast` is the score that it was expected to end with, `spread` how far off such
    forecasts are, and `threshold` the worst score worth finishing; None before they were known.
    """

    progress: float
    level: float
    tail: float
    forecast: float | None = None
    spread: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """An experiment's looks, and at which progress it was found hopeless, if it was.

    A hopeless experiment is `audited` (let run to its end) with the probability
    `audit_probability`, and aborted otherwise.
    """

    looks: tuple[Look, ...]
    condemned_at: float | None = None
    audit_probability: float | None = None
    audited: bool = False

    @property
    def threshold(self) -> float | None:
        """The worst score worth finishing when it was found hopeless, or at its last look."""
        at = self.condemned_at
        known = [
            look.threshold
            for look in self.looks
            if look.threshold is not None and (at is None or look.progress <= at)
        ]
        return known[-1] if known else None


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment as recorded; `process` is the supervisor of the running attempt."""

    id: int
    epoch_id: int
    kind: Kind
    parent_id: int | None
    subject_id: int | None
    source_sha: str
    parent_sha: str | None
    edit: Json
    diff: str
    summary: str
    policy: str | None
    proposal_number: int | None
    log_prob: float | None
    why: str
    seed: int
    status: Status
    reason: str
    val_bpb: float | None
    sealed_bpb: float | None
    delta: float | None
    seconds: float | None
    wall_seconds: float | None
    startup_seconds: float | None
    score_seconds: float | None
    steps: int | None
    peak_memory_mb: float | None
    timing: Json
    contention: float | None
    other_load: float | None
    device: str | None
    slot: int | None
    attempt: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    process: Process | None

    @property
    def ended(self) -> bool:
        """Whether the outcome is known; False while queued, running or interrupted."""
        return self.status in ENDED


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """Since when an experiment's source is the best confirmed one, with its mean score."""

    seq: int
    epoch_id: int
    experiment_id: int
    since: str
    score: float
    sigma: float | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that the engine did, for viewers to follow."""

    id: int
    at: str
    type: str
    experiment_id: int | None
    data: Json


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """One operation of the policy, in recorded order; `status` is what it was told."""

    seq: int
    operation: Operation
    experiment_id: int
    status: Status | None


@dataclass(frozen=True, kw_only=True)
class PolicyState:
    """A saved state of the policy: the file's SHA-256 and the last log entry that it contains."""

    id: int
    sha256: str
    log_seq: int
    created_at: str


@dataclass(frozen=True, kw_only=True)
class PriorResult:
    """What was tried before the study, as a results.tsv says it; not comparable with the study's.

    `score` is as the metric says it, None without one. Position 0 is the earliest.
    """

    position: int
    commit: str
    score: float | None
    memory_mb: float | None
    status: str
    description: str
