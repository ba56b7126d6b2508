"""Two experiments compared: their numbers side by side, and one diff."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from arl_tui.comparison import Comparison, number_lines
from arl_tui.diff_text import counts
from arl_tui.tables import describe
from arl_tui.widgets.diff_view import DiffView


class ComparisonView(Vertical):
    """Shows what changed from one experiment's source to another's."""

    DEFAULT_CSS = """
    ComparisonView {
        & > Static { height: auto; padding: 0 1; }
        & > DiffView { height: 1fr; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.comparison: Comparison | None = None

    def compose(self) -> ComposeResult:
        yield Static("")
        yield DiffView()

    def show(self, comparison: Comparison, title: str) -> None:
        """Show a comparison."""
        self.comparison = comparison
        start, end = comparison.start, comparison.end
        view = self.query_one(DiffView)
        view.show(comparison.diff, empty="Both have the same source.")
        added, removed = counts(view.lines)
        text = Text.assemble((title, "bold"), f"   +{added} -{removed} lines")
        for one in (start, end):
            text.append(f"\n#{one.id:<6} ", "bold")
            text.append(describe(one) or one.kind)
        for line in number_lines(start, end, comparison.metric):
            text.append(f"\n{line}")
        text.no_wrap, text.overflow = True, "ellipsis"
        self.query_one(Static).update(text)

    @property
    def page(self) -> DiffView:
        """The diff, to be focused."""
        return self.query_one(DiffView)
