"""A line at the bottom of a screen that asks for a text and says what is wrong with it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label


class Prompt(Vertical):
    """Asks one question at a time; hidden in between."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="prompt.cancel")
    ]
    DEFAULT_CSS = """
    Prompt {
        height: auto;
        display: none;
        background: $surface;
        & > Input { height: 1; border: none; padding: 0 1; background: $surface; }
        & > Input:focus { border: none; }
        & > Label { padding: 0 1; width: 1fr; }
        & > .question { text-style: bold; }
        & > .complaint { color: $text-warning; }
    }
    """

    class Answered(Message):
        """A person has written an answer. Call `close`, or `complain`."""

        def __init__(self, purpose: str, text: str) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text

    class Closed(Message):
        """Nothing is asked any more."""

    def __init__(self) -> None:
        super().__init__()
        self.purpose = ""

    def compose(self) -> ComposeResult:
        yield Label("", classes="question")
        yield Label("", classes="complaint")
        yield Input(select_on_focus=False)

    def ask(self, purpose: str, question: str, text: str = "") -> None:
        """Ask a question, with `text` as the answer that is offered."""
        self.purpose = purpose
        self.query_one(".question", Label).update(Content(question))
        self.complain("")
        field = self.query_one(Input)
        field.value = text
        field.cursor_position = len(text)
        self.display = True
        field.focus()

    def complain(self, sentence: str) -> None:
        """Say what is wrong with the answer."""
        label = self.query_one(".complaint", Label)
        label.update(Content(sentence))
        label.display = bool(sentence)

    def close(self) -> None:
        """Ask no more."""
        self.display = False
        self.post_message(self.Closed())

    def action_cancel(self) -> None:
        """Give no answer."""
        self.close()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Answered(self.purpose, event.value))
