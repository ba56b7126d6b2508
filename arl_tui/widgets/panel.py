"""A pane of text that is written anew when its data or its width changes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from state.records import Json


class Panel(VerticalScroll, can_focus=True):
    """A titled pane that scrolls. Subclasses say in `lines` what is in it."""

    def __init__(self, title: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._shown: Text | None = None

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def on_resize(self) -> None:
        self.write()

    def lines(self, width: int) -> Sequence[Text]:
        """What is in the pane now, in so many columns."""
        raise NotImplementedError

    def write(self) -> None:
        """Show the lines, if they differ from what is shown."""
        width = self.scrollable_content_region.width
        if not self.is_mounted or width <= 0:
            return
        text = Text("\n").join(self.lines(width))
        if text != self._shown:
            self._shown = text
            self.query_one(Static).update(text)


class PublishedPanel(Panel):
    """A pane of what the engine publishes under one name, in `_panel`: plain JSON, or None."""

    def __init__(self, title: str, id: str | None = None) -> None:
        super().__init__(title, id)
        self._panel: Json = None

    def show(self, panel: Json) -> None:
        """Show what is published, or that there is nothing."""
        self._panel = panel
        self.write()


def heading(text: str, width: int) -> Text:
    """A dim line that begins a part of a pane."""
    return Text(f"{text} ".ljust(width, "─"), style="dim", no_wrap=True, end="")


def note(sentence: str) -> Text:
    """A dim sentence, such as why there is nothing to see."""
    return Text(sentence, style="dim")
