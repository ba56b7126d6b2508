"""The text of a target, and why one is refused."""

from __future__ import annotations

from pathlib import Path

from engine.settings import FILE
from engine.target_settings import Target
from target import gate, shipped, source


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
