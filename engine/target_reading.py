"""The text of a target, and why one is refused."""

from __future__ import annotations

import shlex
from pathlib import Path

from engine.settings import FILE
from engine.target_settings import Target
from target import gate, shipped, source
from target.sites import find_sites


class TargetError(Exception):
    """The target cannot be used; the sentence says why."""


def read_target(table: Target) -> str:
    """The text of the target: a file, or the shipped script. Raises TargetError."""
    if table.path is None:
        return shipped.read()
    try:
        text = source.read(Path(table.path).expanduser())
    except source.SourceError as error:
        raise TargetError(f"The target cannot be used: {error}.") from error
    reason = refusal(text, table)
    if reason is not None:
        raise TargetError(f"The target {table.path} cannot be used: {reason}.")
    return text


def refusal(text: str, table: Target) -> str | None:
    """Why a person's own script is refused. Without the gate, it may do what it does already."""
    sealed = table.command is None
    reason = gate.check(text, sealed=sealed, parent=text)
    if reason is None and sealed and table.gate:
        reason = gate.check(text)
        reason = reason and f"{reason} (`gate = false` under [target] in {FILE} lets it in)"
    return reason


def given_in_command(text: str, command: str) -> list[str]:
    """Sites of a script that the command itself gives a value, such as `--lr`: edits do nothing.

    Raises SourceError for a script that cannot be read.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    given = {word.partition("=")[0] for word in words if word.startswith("-")}
    return [site.id for site in find_sites(text) if site.id.partition("[")[0] in given]
