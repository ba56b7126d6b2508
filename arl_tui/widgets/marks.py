"""The mark and the colour of an experiment, the same on every screen: never colour alone."""

from __future__ import annotations

from arl_tui.tables import STYLES
from state.records import Kind, Status

MARKS: dict[Status, str] = {
    "queued": "□",
    "running": "▶",
    "interrupted": "‖",
    "keep": "◆",
    "discard": "•",
    "abort": "a",
    "crash": "x",
    "timeout": "t",
    "oom": "m",
    "invalid": "i",
    "veto": "v",
}
RERUN = "◇"  # a keep that only repeats the incumbent

# Later ones cover earlier ones where a cell of the chart holds several.
COVERING: tuple[str, ...] = ("□", "•", "◇", "v", "i", "a", "m", "t", "x", "‖", "▶", "◆")

_DISCARD = "bright_black"


def mark(status: Status, kind: Kind) -> str:
    """One cell for an experiment."""
    if status == "keep" and kind not in ("candidate", "baseline"):
        return RERUN
    return MARKS[status]


def mark_style(status: Status) -> str:
    """A Rich style for the mark of a status."""
    return _DISCARD if status == "discard" else STYLES.get(status, "")


STYLE_OF_MARK: dict[str, str] = {
    **{glyph: mark_style(status) for status, glyph in MARKS.items()},
    RERUN: "green",
}
