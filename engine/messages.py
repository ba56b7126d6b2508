"""What the supervisor and, through it, trial and scorer may say. Anything else is refused.

Every field is bounded: the sender may be a candidate that wants to do harm.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

MESSAGE_BYTES = 8 << 20  # the longest line that is read from a supervisor


def printable(text: str) -> str:
    """The text with a space for each control character."""
    return "".join(c if c.isprintable() else " " for c in text)


# A reason is shown on terminals: no control characters.
Reason = Annotated[str, Field(max_length=2000), AfterValidator(printable)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# What a pattern found in a command's output.
Printed = Annotated[str, Field(max_length=100), AfterValidator(printable)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Report(_Message):
    """The training loss at a step; `progress` is the spent share of the budget."""

    type: Literal["report"]
    step: int = Field(ge=0, lt=1 << 53)
    loss: float = Field(allow_inf_nan=False)
    progress: float = Field(ge=0, le=1)


class Loaded(_Message):
    """All is imported: from here on the candidate's own code runs."""

    type: Literal["loaded"]


class Built(_Message):
    """It is ready, and held until the engine says go."""

    type: Literal["built"]


class Ready(_Message):
    """The clock has started."""

    type: Literal["ready"]


class Trained(_Message):
    """The deadline was reached; `steps` batches were taken."""

    type: Literal["trained"]
    seconds: Seconds
    steps: int = Field(ge=0, lt=1 << 53)


class Saved(_Message):
    """The weights are delivered."""

    type: Literal["saved"]
    peak_memory_mb: float = Field(ge=0, le=1e9)


class Failed(_Message):
    """The candidate failed, in the words of the design."""

    type: Literal["failed"]
    status: Literal["crash", "oom", "invalid"]
    reason: Reason


class Scored(_Message):
    """The scorer's result: never anything that a candidate's process said."""

    type: Literal["scored"]
    val_bpb: float = Field(ge=0, allow_inf_nan=False)
    sealed_bpb: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    nats: float = Field(allow_inf_nan=False)
    bytes: int = Field(gt=0)
    seconds: Seconds


Body = Annotated[
    Report | Loaded | Built | Ready | Trained | Saved | Failed | Scored,
    Field(discriminator="type"),
]


class Started(_Message):
    """The command runs, as process `pid`."""

    type: Literal["started"]
    pid: int


class Forwarded(_Message):
    """A message of the command itself."""

    type: Literal["message"]
    body: Body


class Unstartable(_Message):
    """The command could not be run."""

    type: Literal["failed"]
    reason: Reason


class Exit(_Message):
    """Nothing is left of the command. `kind` says why it ended; times as measured outside.

    Of the time in which its clock ran: the share of it that it waited for a processor while it
    could have run, and of the processors' time that others used. None where not known.
    Of a command target also the last score and the last peak memory that it printed, as texts, and
    how many lines had a score.
    """

    type: Literal["exit"]
    kind: Literal["exited", "crash", "oom", "timeout", "abort", "interrupted"]
    reason: Reason
    clean: bool
    startup_seconds: Seconds
    wall_seconds: Seconds
    clock_seconds: Seconds
    total_seconds: Seconds
    peak_memory_mb: float = Field(ge=0, allow_inf_nan=False)
    contention: Share | None = None
    other_load: Share | None = None
    left: int = Field(ge=0)
    log: str
    score: Printed | None = None
    memory: Printed | None = None
    scores: int = Field(default=0, ge=0)


def starved(end: Exit, memory_bytes: int) -> bool:
    """Whether the system has killed a command for its memory, of which it may use so many bytes.

    The supervisor has not killed it, so a kill after much memory was the kernel's.
    """
    killed = "SIGKILL" in end.reason or end.reason.endswith("code 137")
    return killed and end.peak_memory_mb > memory_bytes / 2**21


FromSupervisor = Annotated[Started | Forwarded | Unstartable | Exit, Field(discriminator="type")]
_ADAPTER: TypeAdapter[Started | Forwarded | Unstartable | Exit] = TypeAdapter(FromSupervisor)


def parse(line: bytes) -> Started | Forwarded | Unstartable | Exit | None:
    """One line of a supervisor, or None for a forged or broken message of its command."""
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError:
        return None
