"""The tables of `arl.toml` that are about the target: what is edited, run, and read from it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from engine.setting_types import AbsolutePath, Pattern, Table


class Target(Table):
    """What is edited."""

    path: AbsolutePath | None = None  # none: the shipped train.py
    gate: bool = True  # false: it may use what the allowlist refuses; edits may add nothing to that
    program: AbsolutePath | None = None  # instructions for people and language models
    # A command target: the script trains and scores itself, and prints its score.
    command: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    dir: AbsolutePath | None = None  # where the command runs; none: the folder of `path`
    frozen: tuple[str, ...] = ()  # files below `dir` that must stay as they are
    history: AbsolutePath | None = None  # a results.tsv of before the study
    reseed: bool = False  # before each run, replace the numbers that are seeds by the run's own

    @model_validator(mode="after")
    def _runnable(self) -> Target:
        if self.command is not None and self.path is None:
            raise ValueError("target.command needs target.path: the script that may be edited")
        alone = [
            n for n in ("dir", "frozen", "reseed") if getattr(self, n) and self.command is None
        ]
        if alone:
            raise ValueError(f"target.{alone[0]} is for command targets: give target.command too")
        return self


class Metric(Table):
    """The score that a command target prints; a sealed one has val_bpb."""

    name: Annotated[str, Field(pattern=r"^[^\s\x00-\x1f]{1,40}$")] = "val_bpb"
    pattern: Pattern | None = None  # one group: the number; none: `name: number` or `name = number`
    direction: Literal["min", "max"] = "min"
    memory_pattern: Pattern | None = None  # one group: peak memory in MiB


class Progress(Table):
    """The progress lines of a command target."""

    # Groups by name: loss, and at most percent, or step and total. None: there are no such lines.
    pattern: Pattern | None = None

    @field_validator("pattern")
    @classmethod
    def _has_a_loss(cls, pattern: str | None) -> str | None:
        if pattern is not None and "loss" not in re.compile(pattern).groupindex:
            raise ValueError("it needs a group that finds the loss, for example (?P<loss>[0-9.]+)")
        return pattern


class Access(Table):
    """What the sandbox of a command target leaves open, besides its own folder and Python."""

    read: tuple[AbsolutePath, ...] = ()
    write: tuple[AbsolutePath, ...] = ()
    network: bool = False
    env: dict[str, str] = Field(default_factory=dict)  # variables that are set
    pass_env: tuple[str, ...] = ()  # variables that are passed on, by name

    @field_validator("read", "write")
    @classmethod
    def _some(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        if any(path.strip("/") == "" for path in paths):
            raise ValueError("name the folders that the command needs, not the whole file system")
        return paths


class Git(Table):
    """Each kept edit as a commit on a branch of its own."""

    commits: bool = False
    branch: Annotated[str, Field(min_length=1, max_length=200)] | None = None  # none: arl/<name>
