"""Asks for the note that goes with a verdict."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from arl_tui.output import printable

NOTE_LENGTH = 2000


class NoteDialog(ModalScreen[str | None]):
    """A line of text from a person; None when they changed their mind."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="note.cancel"),
    ]

    def __init__(self, title: str, about: str, placeholder: str, draft: str = "") -> None:
        super().__init__()
        self._title, self._about = title, about
        self._placeholder, self._draft = placeholder, draft

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = self._title
            yield Static(printable(self._about), markup=False)
            yield Input(self._draft, placeholder=self._placeholder, max_length=NOTE_LENGTH)
            yield Static("enter gives the verdict, escape goes back", classes="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        self.dismiss(None)
