"""Whether a study goes on, as a mark and a word: the same on every screen, never a colour alone."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from arl_tui.feed import Snapshot

Tone: TypeAlias = Literal["success", "warning", "error", "plain"]


class State(NamedTuple):
    """A mark of one cell, the word for it, and how it is to be taken."""

    mark: str
    word: str
    tone: Tone


MARKS = (
    ("●", "the study runs"),
    ("‖", "it is paused: no further experiment begins"),
    ("◐", "its engine is stopping"),
    ("○", "no engine runs"),
)


def state_of(now: Snapshot, stopping: bool = False) -> State:
    """The study's state; `stopping` is what the engine alone knows."""
    if now.status.engine_pid is None:
        if now.status.state == "finished":
            return State("○", "finished", "plain")
        return State("○", "stopped", "error")
    if stopping:
        return State("◐", "stopping", "warning")
    if now.status.state == "paused":
        return State("‖", "paused", "warning")
    return State("●", "running", "success")
