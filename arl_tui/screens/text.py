"""A text over whatever is on the screen: the study's program, or the results of before it."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from arl_tui.code_text import plain_lines
from arl_tui.widgets.code_view import CodeView

_COLUMNS = 92


class TextDialog(ModalScreen[None]):
    """Shows a text that is to be read, as it is; `wrap` breaks its long lines."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", id="text.close"),
    ]

    def __init__(self, title: str, text: str, *, wrap: bool) -> None:
        super().__init__()
        self._title = title
        self._text = _wrapped(text) if wrap else text

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = self._title
            box.border_subtitle = "escape closes"
            yield CodeView(id="text")

    def on_mount(self) -> None:
        view = self.query_one(CodeView)
        view.show_lines(plain_lines(self._text), empty="It is empty.")
        view.focus()

    def action_close(self) -> None:
        self.dismiss()


def _wrapped(text: str) -> str:
    """The text with lines that fit; a broken one goes on below where its own text began."""
    lines: list[str] = []
    for line in text.split("\n"):
        begin = len(line) - len(line.lstrip(" \t-*>"))
        indent = " " * min(begin, _COLUMNS // 2)
        wide = len(line) > _COLUMNS
        lines += (
            textwrap.wrap(line, _COLUMNS, subsequent_indent=indent, drop_whitespace=True)
            if wide
            else [line]
        )
    return "\n".join(lines)
