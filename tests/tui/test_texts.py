"""The keys that show what a study was given: its program, and the results of before it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from arl_tui.app import StudyApp
from arl_tui.screens.text import TextDialog
from arl_tui.widgets.code_view import CodeView
from engine.prior_results import parse_results
from state.folder import StudyFolder
from state.store import Store

pytestmark = pytest.mark.anyio


async def give(folder: StudyFolder, *, program: str = "", results: str = "") -> None:
    async with Store.open(folder) as store:
        if program:
            await store.set_document("program", program)
        await store.add_prior_results(parse_results(results, "val_bpb")[0])


def said(app: StudyApp) -> list[str]:
    return [notification.message for notification in app._notifications]


async def test_the_program_is_shown_over_any_screen(
    study_folder: Callable[..., StudyFolder],
) -> None:
    folder = study_folder(8, alive=False)
    await give(folder, program="# Lower it\n- a [b]rule[/b] \x1b[31m " + "word " * 40 + "\n")
    app = StudyApp(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("i")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(app.screen, TextDialog)
        lines = [
            "".join(p.text for p in line.pieces) for line in app.screen.query_one(CodeView).lines
        ]
        assert lines[0] == "# Lower it"
        assert lines[1].startswith("- a [b]rule[/b] \\x1b[31m word")
        assert lines[2].startswith("  word")
        assert all(len(line) <= 100 for line in lines)
        await pilot.press("escape")
        assert not isinstance(app.screen, TextDialog)


async def test_earlier_results_are_shown_from_the_history(
    study_folder: Callable[..., StudyFolder],
    checkouts: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(StudyApp, "DEFAULT_MODE", "history")
    folder = study_folder(8, alive=False)
    await give(folder, results=checkouts.RESULTS)
    app = StudyApp(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("e")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(app.screen, TextDialog)
        text = "\n".join(line.text for line in app.screen.query_one(CodeView).lines)
        assert "not comparable" in text
        assert "MATRIX_LR 0.02 -> 0.04" in text


async def test_what_is_not_there_is_said(
    study_folder: Callable[..., StudyFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyApp, "DEFAULT_MODE", "history")
    app = StudyApp(study_folder(8, alive=False))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("i", "e")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert said(app) == [
            "This study has no program.md.",
            "No results of before this study were given to it.",
        ]
