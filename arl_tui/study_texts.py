"""Opens what a study was given: its program, and the results of before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from state.documents import PROGRAM
from state.errors import StoreError
from state.watch import Watcher

if TYPE_CHECKING:
    from arl_tui.app import StudyApp

T = TypeVar("T")
_COLUMNS = 92


async def show_program(app: StudyApp) -> None:
    """Show what people wrote for those who propose edits."""
    text = await _read(app, lambda watcher: watcher.document(PROGRAM))
    if text is None:
        app.notify("This study has no program.md.", severity="warning")
    else:
        from arl_tui.screens.text import TextDialog

        app.push_screen(TextDialog("Program", text, wrap=True))


async def show_prior_results(app: StudyApp) -> None:
    """Show what was tried before the study."""
    found = await _read(app, lambda watcher: (watcher.prior_results(), watcher.study()))
    if found is None or not found[0]:
        app.notify("No results of before this study were given to it.", severity="warning")
    else:
        from arl_tui.prior_table import prior_lines
        from arl_tui.screens.text import TextDialog

        lines = [line.plain for line in prior_lines(*found, _COLUMNS)]
        app.push_screen(TextDialog("Before this study", "\n".join(lines), wrap=False))


async def _read(app: StudyApp, query: Callable[[Watcher], T]) -> T | None:
    try:
        return await app.read(query)
    except StoreError as error:
        app.notify(str(error), severity="error", markup=False)
        return None
