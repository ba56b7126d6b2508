"""The first picture: how the study stands, while the parts of the dashboard are loaded."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen

from arl_tui.feed import Part, Snapshot
from arl_tui.widgets.headline import Headline


class Opening(Screen[object]):
    """The dashboard's first line, at once; charts take longer to import than to read a study."""

    def compose(self) -> ComposeResult:
        yield Headline()

    def follow(self, now: Snapshot, changed: frozenset[Part]) -> None:
        """Show the line, and let the dashboard follow when it has been drawn."""
        self.query_one(Headline).show(now)
        self.call_after_refresh(self.app.switch_mode, "dashboard")
