"""The table of experiments: a window on a list of any length.

A DataTable needs a second to take 10,000 rows and five to show them; this one draws the rows on
the screen and holds no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from arl_tui.listing import Order
from arl_tui.tables import delta_cell, describe, pad, score_cell, status_style
from state.metric import VAL_BPB, Metric
from state.watch import Brief

_HEADER = 1  # lines
_ROOMY = 84  # from this width on, every column is shown


class Column(NamedTuple):
    """A column: its width, and how it shows an experiment."""

    title: str
    cells: int
    show: Callable[[Brief], str]
    right: bool = True


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def columns_of(metric: Metric) -> Mapping[Order, Column]:
    """The columns of a study with this metric."""
    cells = metric.width
    title = _clip(metric.title, cells - 1)  # an arrow may come before it
    return {
        "id": Column("id", 6, lambda brief: str(brief.id)),
        "status": Column("status", 11, lambda brief: brief.status, right=False),
        "bpb": Column(title, cells, lambda brief: score_cell(brief, metric)),
        "delta": Column("delta", cells, lambda brief: delta_cell(brief, metric)),
        "seconds": Column("secs", 6, lambda brief: _number(brief.seconds, ".0f")),
        "edit": Column("edit", 0, describe, right=False),
    }


class ExperimentTable(ScrollView, can_focus=True):
    """Experiments with a cursor, which stays on its experiment when rows come and go."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down"),
        Binding("pageup", "move_page(-1)", "Page up", show=False, id="table.page_up"),
        Binding("pagedown", "move_page(1)", "Page down", show=False, id="table.page_down"),
        Binding("home,g", "move_to(0)", "First", show=False, id="table.first"),
        Binding("end,G", "move_to(-1)", "Last", show=False, id="table.last"),
        Binding("enter", "select", "Open", id="table.open"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--cursor",
        "table--marked",
        "table--dim",
    }
    DEFAULT_CSS = """
    ExperimentTable {
        background: $background;
        color: $foreground;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .table--header { text-style: bold; color: $text-primary; }
        & > .table--cursor { background: $foreground 15%; }
        &:focus > .table--cursor {
            background: $block-cursor-background;
            color: $block-cursor-foreground;
            text-style: $block-cursor-text-style;
        }
        & > .table--marked { text-style: reverse underline; }
        & > .table--dim { text-style: dim; }
    }
    """

    cursor: reactive[int] = reactive(0)
    """The row of the cursor."""

    class Moved(Message):
        """The cursor is on an experiment, or on none when no row is left."""

        def __init__(self, brief: Brief | None) -> None:
            super().__init__()
            self.brief = brief

    class Selected(Message):
        """A person opens the experiment under the cursor."""

    class HeaderPressed(Message):
        """A person wants the rows sorted by a column."""

        def __init__(self, order: Order) -> None:
            super().__init__()
            self.order = order

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: Sequence[Brief] = ()
        self.empty = ""
        self.best_id: int | None = None
        self.epoch_id: int | None = None
        self.marked_id: int | None = None
        self.order: Order = "id"
        self.reverse = True
        self._metric = VAL_BPB
        self._shown = columns_of(VAL_BPB)

    def count_in(self, metric: Metric) -> None:
        """Show scores of this metric from now on."""
        if metric != self._metric:
            self._metric, self._shown = metric, columns_of(metric)

    @property
    def current(self) -> Brief | None:
        """The experiment under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def show(self, rows: Sequence[Brief], row: int | None) -> None:
        """Show rows, with the cursor on one, by default where it is. The rows are not copied."""
        moved = 0 if row is None else row - self.cursor
        offset = self.scroll_offset.y
        self.rows = rows
        self.virtual_size = Size(0, len(rows) + _HEADER)
        self.set_reactive(ExperimentTable.cursor, self._clamp(self.cursor + moved))
        # At the top, what is new should come into view; elsewhere the rows should stand still.
        if moved and offset:
            self.scroll_to(y=offset + moved, animate=False)
        self._scroll_to_cursor()
        self.refresh()
        self.post_message(self.Moved(self.current))

    def watch_cursor(self) -> None:
        self._scroll_to_cursor()
        self.refresh()
        self.post_message(self.Moved(self.current))

    def action_move(self, rows: int) -> None:
        """Move the cursor by some rows."""
        self.cursor = self._clamp(self.cursor + rows)

    def action_move_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.action_move(pages * max(self.size.height - _HEADER - 1, 1))

    def action_move_to(self, row: int) -> None:
        """Put the cursor on a row; a negative one counts from the end."""
        self.cursor = self._clamp(row if row >= 0 else len(self.rows) + row)

    def action_select(self) -> None:
        """Open the experiment under the cursor."""
        if self.current is not None:
            self.post_message(self.Selected())

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < _HEADER:
            left = 0
            for order, cells in self._columns():
                left += cells + 2
                if offset.x < left or order == "edit":
                    self.post_message(self.HeaderPressed(order))
                    return
        row = self.scroll_offset.y + offset.y - _HEADER
        if row < len(self.rows):
            self.cursor = row
            if event.chain == 2:
                self.action_select()

    def on_resize(self) -> None:
        self._scroll_to_cursor()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y < _HEADER:
            return self._header(width)
        row = self.scroll_offset.y + y - _HEADER
        if row >= len(self.rows):
            text = self.empty if not self.rows and y == _HEADER + 1 else ""
            style = self.rich_style + self.get_component_rich_style("table--dim", partial=True)
            return Strip([Segment(text, style)]).adjust_cell_length(width, self.rich_style)
        return self._row(self.rows[row], row == self.cursor, width)

    def _header(self, width: int) -> Strip:
        style = self.get_component_rich_style("table--header")
        texts = []
        for order, cells in self._columns():
            column = self._shown[order]
            arrow = ("▼" if self.reverse else "▲") if order == self.order else ""
            title = arrow + column.title if column.right else column.title + arrow
            texts.append(pad(title, cells) if column.right else title.ljust(cells))
        return Strip([Segment("  ".join(texts), style)]).adjust_cell_length(width, style)

    def _row(self, brief: Brief, cursor: bool, width: int) -> Strip:
        base = self.get_component_rich_style("table--cursor") if cursor else self.rich_style
        no_color = self.app.no_color
        if cursor and no_color:
            base = self.rich_style + Style(reverse=True, bold=self.has_focus)
        dim = self.get_component_rich_style("table--dim", partial=True)
        segments = []
        for order, cells in self._columns():
            column, style = self._shown[order], base
            text = column.show(brief)
            if order == "edit":
                text = _clip(text, cells)
            text = text.rjust(cells) if column.right else text.ljust(cells)
            if order == "id":
                text = self._mark(brief) + text[1:]
                if brief.id == self.marked_id:
                    style += self.get_component_rich_style("table--marked", partial=True)
            elif order == "status":
                style += status_style(brief.status, no_color)
            elif text.endswith(" -") or (order == "edit" and brief.kind != "candidate"):
                style += dim
            if (
                cursor and self.has_focus and not no_color
            ):  # the colour of a status may not show on the cursor's
                style += Style.from_color(base.color, base.bgcolor)
            segments += [Segment(text, style), Segment("  ", base)]
        return Strip(segments).adjust_cell_length(width, base)

    def _mark(self, brief: Brief) -> str:
        if brief.id == self.best_id:
            return "*"
        return "~" if brief.val_bpb is not None and brief.epoch_id != self.epoch_id else " "

    def _columns(self) -> list[tuple[Order, int]]:
        """The columns that there is room for, and the cells of each."""
        width = self.scrollable_content_region.width
        columns = self._shown
        shown = [o for o in columns if o != "seconds" or width >= _ROOMY or self.order == o]
        fixed = sum(columns[order].cells + 2 for order in shown)
        return [(order, columns[order].cells or max(width - fixed + 2, 4)) for order in shown]

    def _clamp(self, row: int) -> int:
        return max(min(row, len(self.rows) - 1), 0)

    def _scroll_to_cursor(self) -> None:
        visible = self.size.height - _HEADER
        top = self.scroll_offset.y
        if visible <= 0:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + visible:
            self.scroll_to(y=self.cursor - visible + 1, animate=False)


def _clip(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"
