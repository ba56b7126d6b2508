"""The diff of what runs now, in colours."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from arl_tui.output import printable


class CurrentDiff(VerticalScroll):
    """A unified diff that scrolls."""

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def show(self, diff: str, *, empty: str = "no edit") -> None:
        """Show a diff, or why there is none."""
        shown = [Text(printable(line), style=_style(line)) for line in diff.splitlines()]
        self.query_one(Static).update(Text("\n").join(shown) if shown else Text(empty, style="dim"))


def _style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
