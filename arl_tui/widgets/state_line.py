"""The first line of every screen: which study, whether it goes on, and what waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from arl_tui.durations import seconds_since, span
from arl_tui.feed import Snapshot
from arl_tui.output import one_line
from arl_tui.study_state import state_of

if TYPE_CHECKING:
    from arl_tui.app import StudyApp

TICK_SECONDS = 20.0


class StateLine(Static):
    """The study's name and state in one line; `follow` shows it as it is now."""

    app: StudyApp
    DEFAULT_CSS = """
    StateLine {
        height: 1;
        padding: 0 1;
        background: $panel;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__("", id=id, classes=classes, markup=False)
        self._now: Snapshot | None = None
        self._shown: Content | None = None

    def on_mount(self) -> None:
        self.set_interval(TICK_SECONDS, self._show)

    def follow(self, now: Snapshot) -> None:
        """Show the study as it is now."""
        self._now = now
        self._show()

    def _show(self) -> None:
        if self._now is None:
            return
        parts = _parts(self._now, self.app.stopping)
        if self._now.status.engine_pid is not None:
            begun = seconds_since(self._now.status.study.created_at, self.app.now())
            parts.append(Content.styled(f"{span(begun)} since its start", "$text-muted"))
        content = Content("  ").join(parts)
        if content != self._shown:
            self._shown = content
            self.update(content)


def _parts(now: Snapshot, stopping: bool) -> list[Content]:
    status = now.status
    parts = [Content.styled(one_line(status.study.name), "bold"), state_mark(now, stopping)]
    if status.study.supervised:
        parts.append(Content("supervised"))
    if now.reviews:
        parts.append(Content.styled(f"{len(now.reviews)} to review: r", "bold $text-warning"))
    if status.engine_pid is None and status.reason:
        parts.append(Content.styled(one_line(status.reason), "$text-muted"))
    return parts


def state_mark(now: Snapshot, stopping: bool) -> Content:
    """The study's mark and word in the theme's colours."""
    mark, word, tone = state_of(now, stopping)
    return Content.styled(f"{mark} {word}", "bold" if tone == "plain" else f"bold $text-{tone}")
