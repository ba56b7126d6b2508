"""The commands that open the screen: what they refuse, and what they do not import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit
from arl_tui.layers import settings_of
from arl_tui.made_up import make_study
from state.errors import StoreOlder
from state.folder import StudyFolder
from state.upgrade import upgrade
from state.watch import Watcher

OLD = Path(__file__).parents[1] / "state" / "assets" / "schema_1.db"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(capsys: Captured, code: Exit, *arguments: str) -> str:
    """The one sentence with which a command ends."""
    assert run(arguments) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.strip().splitlines()
    return line


def test_there_must_be_a_study_to_attach_to(capsys: Captured) -> None:
    assert "There is no study in" in refusal(capsys, Exit.NOT_FOUND, "attach")


def test_a_screen_needs_a_terminal(here: Path, capsys: Captured) -> None:
    make_study(StudyFolder(here / "study"), 5)
    line = refusal(capsys, Exit.USAGE, "attach", "--study", "study")
    assert "needs a terminal" in line
    assert "run --headless" in line


def test_options_of_a_command_go_behind_it(here: Path, capsys: Captured) -> None:
    make_study(StudyFolder(here / "study"), 5)
    line = refusal(capsys, Exit.USAGE, "--study", "study", "status")
    assert "`status`" in line


def test_without_a_terminal_it_explains_itself(capsys: Captured) -> None:
    assert run([]) == Exit.OK
    assert "attach" in capsys.readouterr().out


def test_the_screen_does_not_import_torch() -> None:
    code = (
        "import sys, arl_tui.cli, arl_tui.app, arl_tui.screens.dashboard, arl_tui.screens.review, "
        "arl_tui.screens.history, arl_tui.screens.start; "
        "print([name for name in ('torch', 'scipy', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_older_study_is_brought_up_to_date_before_it_goes_on(here: Path) -> None:
    folder = StudyFolder(here / "study")
    folder.make()
    shutil.copyfile(OLD, folder.database)
    with pytest.raises(StoreOlder):
        Watcher(folder)
    settings_of(folder, {})
    with Watcher(folder) as watcher:
        assert len(watcher.briefs()) == 5
    assert upgrade(folder) == []
