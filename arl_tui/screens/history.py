"""The history: every experiment, its diff, and comparisons."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer, Static

from arl_tui.feed import Part, Snapshot


class History(Screen[object]):
    """The history: every experiment, its diff, and comparisons."""

    def compose(self) -> ComposeResult:
        yield Static("", id="text")
        yield Footer()

    def on_screen_resume(self) -> None:
        self.app.show_again()  # type: ignore[attr-defined]

    def follow(self, now: Snapshot, changed: frozenset[Part]) -> None:
        self.query_one("#text", Static).update(f"History: {now.status.experiments} experiments")
