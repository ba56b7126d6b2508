"""The queue of candidates under review."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from arl_tui.output import one_line
from arl_tui.proposals import Proposal

AMENDED = "✎"
APPROVED = "✓"
SENT = "…"
MARKS = (
    (AMENDED, "amended by a person"),
    (APPROVED, "approved, and not yet begun"),
    (SENT, "your verdict is on its way"),
)


class ReviewList(OptionList):
    """Candidates by number: those that wait for a verdict, then the approved ones."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="review.down"),
        Binding("k", "cursor_up", "Up", show=False, id="review.up"),
    ]

    class Selected(Message):
        """Another candidate is selected, or none."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._proposals: Sequence[Proposal] = ()
        self._shown: list[Content] = []
        self.roomy = False  # two lines for each candidate

    @property
    def selected(self) -> Proposal | None:
        """The candidate under the cursor."""
        if self.highlighted is None or self.highlighted >= len(self._proposals):
            return None
        return self._proposals[self.highlighted]

    def show(
        self, proposals: Sequence[Proposal], now: datetime, auto_approve: float | None
    ) -> None:
        """Show candidates; the selection stays on its own, or goes to the one that follows."""
        before = self.selected
        lines = [_line(p, now, auto_approve, self.roomy) for p in proposals]
        ids = [p.id for p in proposals]
        same = ids == [p.id for p in self._proposals]
        if same:
            self._proposals = proposals
            for index, line in enumerate(lines):
                if line != self._shown[index]:
                    self.replace_option_prompt_at_index(index, line)
        else:
            target = self._next_selection(proposals)
            self._proposals = proposals
            with self.prevent(OptionList.OptionHighlighted):
                self.clear_options()
                self.add_options([Option(line) for line in lines])
                self.highlighted = target
        self._shown = lines
        if self.selected != before:
            self.post_message(self.Selected())

    def select_next_pending(self) -> None:
        """Go on to the next candidate that waits, below first, then from the top."""
        if self.highlighted is None:
            return
        count = len(self._proposals)
        for step in range(1, count):
            index = (self.highlighted + step) % count
            if self._proposals[index].standing == "pending":
                self.highlighted = index
                return

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self.post_message(self.Selected())

    def _next_selection(self, proposals: Sequence[Proposal]) -> int | None:
        """Where the cursor goes when the list becomes `proposals`."""
        if not proposals:
            return None
        index = {p.id: position for position, p in enumerate(proposals)}
        waits = {p.id for p in proposals if p.standing == "pending"}
        was = self.selected
        if was is None or self.highlighted is None:
            return 0
        # One that has been decided moves down among the approved: the cursor does not follow it.
        if was.id in index and (was.id in waits or was.standing != "pending"):
            return index[was.id]
        below = [p.id for p in self._proposals[self.highlighted + 1 :]]
        above = [p.id for p in reversed(self._proposals[: self.highlighted])]
        for candidate in (*below, *above):
            if candidate in waits:
                return index[candidate]
        return min(self.highlighted, len(proposals) - 1)


def _line(p: Proposal, now: datetime, auto_approve: float | None, roomy: bool) -> Content:
    """A candidate in one line, or in two where there is room."""
    summary = one_line(p.brief.summary or "no summary")
    waits = p.waits(now)
    timer = p.approved_in(now, auto_approve)
    mark = {"pending": " ", "sent": SENT, "approve": APPROVED}[p.standing]
    if p.amended and p.standing == "pending":
        mark = AMENDED
    head = Content.assemble((f"{mark} ", "bold"), (f"#{p.id}", "bold"))
    if not roomy:
        column = f"{f'in {timer}' if timer else waits or p.standing_word:>11}"
        return Content.assemble(head, (f" {column}  ", "$text-muted"), summary)
    about = f"waits {waits}" if waits else p.standing_word
    if p.amended:
        about += ", amended"
    if timer:
        about += f", approved in {timer}"
    return Content.assemble(head, (f"  {about}", "$text-muted"), f"\n  {summary}")
