"""The names of the panes and which one is shown, where there is room for one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.events import Click
from textual.message import Message
from textual.widgets import Static


class PaneStrip(Static):
    """A row of names; a click on one asks for its pane."""

    @dataclass
    class Asked(Message):
        """A person wants the pane with this number, from 0."""

        number: int

    def __init__(self, names: Sequence[str], id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._names = [f" {number + 1} {name} " for number, name in enumerate(names)]

    def show(self, shown: int) -> None:
        """Mark one of the names."""
        line = Text(no_wrap=True)
        for number, name in enumerate(self._names):
            line.append(name, "reverse bold" if number == shown else "")
        self.update(line)

    def on_click(self, event: Click) -> None:
        left = 0
        for number, name in enumerate(self._names):
            left += len(name)
            if event.x < left:
                self.post_message(self.Asked(number))
                return
