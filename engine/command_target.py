"""A command target: a person's own script, the command that runs it, and how its score is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.frozen_files import FrozenFiles
from engine.score_pattern import default_pattern
from engine.settings import Settings
from engine.target_reading import TargetError
from engine.target_settings import Access, Metric
from state.records import Json
from target import source

_HASH = 8  # digits of a hash that tells that a variable's value is another one


@dataclass(frozen=True)
class CommandTarget:
    """What is run for each candidate, where, and what of its output is read.

    `folder` is where the command runs, `script` the file below it that is edited, and `pattern`
    what finds the score in a line.
    """

    folder: Path
    script: str
    command: str
    frozen: FrozenFiles
    metric: Metric
    pattern: str
    progress: str | None
    access: Access
    reseeded: bool = False  # each run gets its own seeds

    @property
    def digest(self) -> str:
        """What makes scores comparable, as one hash."""
        text = json.dumps(self.record() | {"env": self._variables()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def record(self) -> Json:
        """The same in plain values, for the study's record.

        Values of variables may be secrets, and the record is shown: it has their hashes.
        """
        return {
            "command": self.command,
            "script": self.script,
            "frozen": self.frozen.digests,
            "metric": self.metric.name,
            "direction": self.metric.direction,
            "pattern": self.metric.pattern,  # as given: how the default is written may change
            "reseeded": self.reseeded,
            "env": {
                name: hashlib.sha256(value.encode()).hexdigest()[:_HASH]
                for name, value in self._variables().items()
            },
        }

    def _variables(self) -> dict[str, str]:
        return dict(sorted(self.access.env.items()))

    def modules(self) -> Mapping[str, str]:
        """The frozen modules of Python that the script may import: name and source text."""
        found = {}
        for name in self.frozen.digests:
            path = Path(name)
            if path.suffix == ".py":
                try:
                    text = source.read(self.folder / path)
                except source.SourceError:
                    continue
                found[".".join(path.with_suffix("").parts)] = text
        return found


def command_target(settings: Settings) -> CommandTarget | None:
    """The command target that the settings describe; None for a sealed one. Raises TargetError."""
    table = settings.target
    if table.command is None or table.path is None:
        return None
    path = Path(table.path)
    folder = Path(table.dir) if table.dir is not None else path.parent
    if not folder.is_dir():
        raise TargetError(f"There is no folder {folder}: target.dir is where the command runs")
    if not path.is_relative_to(folder):
        raise TargetError(f"The target {path} does not lie in {folder}, where its command runs")
    if os.path.realpath(path) != os.path.join(os.path.realpath(folder), path.relative_to(folder)):
        raise TargetError(f"The target {path} is a link: name the file that it leads to")
    for name in table.frozen:
        if os.path.isabs(name) or ".." in Path(name).parts:
            raise TargetError(f"The frozen file {name} does not lie in {folder}")
        if folder / name == path:
            raise TargetError(f"{name} cannot be frozen and edited: take it out of target.frozen")
    try:
        frozen = FrozenFiles.read(folder, table.frozen)
    except OSError as error:
        raise TargetError(
            f"The frozen file {error.filename} cannot be read: {error.strerror}"
        ) from error
    return CommandTarget(
        folder=folder,
        script=str(path.relative_to(folder)),
        command=table.command,
        frozen=frozen,
        metric=settings.metric,
        pattern=settings.metric.pattern or default_pattern(settings.metric.name),
        progress=settings.progress.pattern,
        access=settings.access,
        reseeded=table.reseed,
    )
