"""A unified diff in colours, which scrolls."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from arl_tui.output import printable

_STYLES = {"+": "$text-success", "-": "$text-error", "@": "$text-accent"}


class DiffView(VerticalScroll):
    """A unified diff."""

    def compose(self) -> ComposeResult:
        yield Static("", markup=False)

    def show(self, diff: str, *, empty: str = "no edit") -> None:
        """Show a diff, or a sentence when there is none."""
        lines = printable(diff).rstrip("\n").split("\n") if diff else [empty]
        content = Content("\n").join(
            [Content.styled(line, _STYLES.get(line[:1], "")) for line in lines]
        )
        self.query_one(Static).update(content)
        self.scroll_home(animate=False)
