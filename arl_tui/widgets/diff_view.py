"""A unified diff with line numbers, signs, colours, and marks on the words that changed."""

from __future__ import annotations

from arl_tui.diff_text import diff_lines
from arl_tui.widgets.code_view import CodeView


class DiffView(CodeView):
    """Shows a diff. It can be any text: nothing in it is markup or reaches the terminal raw."""

    def show(self, diff: str, *, empty: str = "no edit") -> None:
        """Show a diff from its first line on, or `empty` when there is none."""
        self.show_text(diff, diff_lines, empty=empty)
