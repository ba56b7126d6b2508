"""Every key that works on the screen below, and what its marks mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from arl_tui import study_state

_KEYS_WIDTH = 18


class Help(ModalScreen[None]):
    """The keys of a screen, made from its bindings.

    A screen may add to the marks with a class variable MARKS of (mark, meaning).
    """

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "close", "Close", id="help.close"),
    ]

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__()
        self._sections = list(_sections(screen))
        self._marks = (*study_state.MARKS, *getattr(screen, "MARKS", ()))

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box") as box:
            box.border_title = "Help"
            box.border_subtitle = "escape closes"
            for title, rows in self._sections:
                yield Static(_table(title, rows), markup=False)
            yield Static(_table("What the marks mean", self._marks), markup=False)

    def on_mount(self) -> None:
        self.query_one("#box").focus()

    def action_close(self) -> None:
        self.dismiss()


def _table(title: str, rows: Iterable[tuple[str, str]]) -> Content:
    lines = [Content.styled(title, "bold $text-primary")]
    for left, right in rows:
        lines.append(Content.assemble((f"  {left:<{_KEYS_WIDTH}}", "bold"), " ", right))
    return Content("\n").join([*lines, Content("")])


def _sections(screen: Screen[object]) -> Iterable[tuple[str, Sequence[tuple[str, str]]]]:
    """Titles and (keys, meaning): of this screen, everywhere, and what Textual adds."""
    own: dict[str, list[str]] = {}
    everywhere: dict[str, list[str]] = {}
    moving: dict[str, list[str]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.system or not _meaning(active):
            continue
        if isinstance(active.node, App) and (binding.id or binding.action == "command_palette"):
            section = everywhere
        else:
            section = own if active.node is screen and binding.id else moving
        section.setdefault(_meaning(active), []).append(screen.app.get_key_display(binding))
    for title, section in (
        ("On this screen", own),
        ("Everywhere", everywhere),
        ("Moving, and the rest", moving),
    ):
        if section:
            yield title, [(" ".join(keys), meaning) for meaning, keys in section.items()]


def _meaning(active: ActiveBinding) -> str:
    text = active.tooltip or active.binding.tooltip or active.binding.description
    return text[:1].lower() + text[1:] if active.binding.id else text.lower()
