"""The names of the panes, which one is shown, and what runs, where panes take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from arl_tui.feed import Snapshot
from arl_tui.what_runs import sentence


class PaneStrip(Static):
    """A row of names; a click on one asks for its pane."""

    @dataclass
    class Asked(Message):
        """A person wants the pane with this number, from 0."""

        number: int

    def __init__(self, names: Sequence[str], id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._names = [f" {number + 1} {name} " for number, name in enumerate(names)]
        self._pane = 0
        self._now: Snapshot | None = None
        self._shown: Text | None = None

    def show(self, pane: int) -> None:
        """Mark one of the names."""
        self._pane = pane
        self._write()

    def follow(self, now: Snapshot) -> None:
        """Say what runs now."""
        self._now = now
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        line = Text(no_wrap=True)
        for number, name in enumerate(self._names):
            line.append(name, "reverse bold" if number == self._pane else "")
        room = self.content_size.width - line.cell_len - 2
        runs = "" if self._now is None else sentence(self._now, room)
        if runs:
            line.append(runs.rjust(room + 1), "dim")
        if line != self._shown:
            self._shown = line
            self.update(line)

    def on_click(self, event: Click) -> None:
        left = 0
        for number, name in enumerate(self._names):
            left += len(name)
            if event.x < left:
                self.post_message(self.Asked(number))
                return
