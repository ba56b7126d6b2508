"""Lines of code, of a diff or of a log: only those on the screen are drawn, however many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from arl_tui.code_text import Line, LineKind, Piece, Token

_AT_ONCE = 20_000  # characters that are coloured without a thread
_SIGNS: dict[LineKind, str] = {"added": "+", "removed": "-"}


class Reading(Protocol):
    """How a text becomes lines; without colours it takes a tenth of the time."""

    def __call__(self, text: str, /, *, coloured: bool = True) -> list[Line]: ...


class CodeView(ScrollView, can_focus=True):
    """Lines with their numbers; a long one scrolls sideways under the numbers."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False, id="code.down"),
        Binding("k", "scroll_up", "Up", show=False, id="code.up"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "code--context",
        "code--added",
        "code--removed",
        "code--added-word",
        "code--removed-word",
        "code--hunk",
        "code--note",
        "code--numbers",
        "code--keyword",
        "code--name",
        "code--string",
        "code--number",
        "code--comment",
    }
    DEFAULT_CSS = """
    CodeView {
        background: $background;
        color: $foreground;
        scrollbar-size-horizontal: 1;
        scrollbar-size-vertical: 1;
        & > .code--added { background: $success 14%; }
        & > .code--removed { background: $error 16%; }
        & > .code--added-word { background: $success 45%; }
        & > .code--removed-word { background: $error 50%; }
        & > .code--hunk { color: $accent; text-style: dim; }
        & > .code--note { text-style: dim; }
        & > .code--numbers { text-style: dim; }
        & > .code--keyword { color: $text-accent; }
        & > .code--name { color: $text-primary; }
        & > .code--string { color: $text-success; }
        & > .code--number { color: $text-warning; }
        & > .code--comment { text-style: dim italic; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.text = ""
        self.lines: Sequence[Line] = ()
        self._columns: tuple[int, int] = (0, 0)  # of the old and new numbers
        self._styles_of: dict[tuple[LineKind, Token, bool], Style] = {}

    def show_text(self, text: str, read: Reading, *, empty: str) -> bool:
        """Show a text from its first line on, or `empty` when there is none.

        The same text again stays where it is, and the answer is False. A large text gets its
        colours a moment later.
        """
        if text and text == self.text:
            return False
        self.text = text
        large = len(text) > _AT_ONCE
        self.show_lines(read(text, coloured=not large), empty=empty)
        if large:
            self.run_worker(self._colour(text, read))
        return True

    async def _colour(self, text: str, read: Reading) -> None:
        lines = await asyncio.to_thread(partial(read, text))
        if text == self.text:
            self.show_lines(lines, keep=True)

    def show_lines(self, lines: Sequence[Line], *, empty: str = "", keep: bool = False) -> None:
        """Show lines from the first on, or where they are if `keep`; `empty` when there are none.

        Lines must fit `Line`'s promise that their pieces are printable.
        """
        self.lines = lines or [Line("note", empty, (Piece(empty, "comment"),))]
        olds = [line.old for line in lines if line.old is not None]
        news = [line.new for line in lines if line.new is not None]
        self._columns = (_digits(olds), _digits(news))
        cells = max(line.cells for line in self.lines)
        self.virtual_size = Size(self._gutter_cells + cells, len(self.lines))
        if not keep:
            self.scroll_to(0, 0, animate=False)
        self.refresh(layout=self.styles.is_auto_height)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_of.clear()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width = self.scrollable_content_region.width
        if top + y >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        line = self.lines[top + y]
        plain = self._style(line.kind, "text", False)
        code = Strip(
            [
                Segment(text, self._style(line.kind, token, marked))
                for text, token, marked in line.pieces
            ]
        )
        gutter = self._gutter_cells
        if not gutter or line.kind == "hunk":
            return code.crop_extend(left, left + width, plain)
        room = max(width - gutter, 0)
        numbers = plain + self.get_component_rich_style("code--numbers", partial=True)
        sign = f"{_SIGNS.get(line.kind, ''):<2}" if self._columns[0] else " "
        head = [Segment(self._numbers(line), numbers), Segment(sign, plain + Style(bold=True))]
        return Strip.join([Strip(head), code.crop_extend(left, left + room, plain)])

    @property
    def _gutter_cells(self) -> int:
        old, new = self._columns
        return (old + 1 if old else 0) + (new + 1 if new else 0) + (2 if old else 1 if new else 0)

    def _numbers(self, line: Line) -> str:
        return "".join(
            f"{'' if number is None else number:>{columns}} "
            for number, columns in zip((line.old, line.new), self._columns, strict=True)
            if columns
        )

    def _style(self, kind: LineKind, token: Token, marked: bool) -> Style:
        key = (kind, token, marked)
        style = self._styles_of.get(key)
        if style is None:
            style = self.get_component_rich_style(f"code--{kind}")
            if token != "text":
                style += self.get_component_rich_style(f"code--{token}", partial=True)
            if marked:  # underlined too: the marks must survive NO_COLOR
                word = self.get_component_rich_style(f"code--{kind}-word")
                style += Style(bgcolor=word.bgcolor, bold=True, underline=True, dim=False)
            self._styles_of[key] = style
        return style


def _digits(numbers: Sequence[int]) -> int:
    return len(str(max(numbers))) if numbers else 0
