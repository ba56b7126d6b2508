"""A person's edit of a candidate: an editor really runs, and the text is never lost."""

from __future__ import annotations

import re
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import anyio
import pytest
from textual.pilot import Pilot

from arl_tui import editor
from arl_tui.app import StudyApp
from arl_tui.made_up import make_study
from engine.control import Command, Reply, serve, socket_path
from state.folder import StudyFolder
from state.lock import EngineLock

pytestmark = pytest.mark.anyio

NOTHING = "pass"
ONE_LINE = "open(sys.argv[1], 'a').write('# mine\\n')"
FAILS = ONE_LINE + "; sys.exit(3)"
NO_TEXT = "open(sys.argv[1], 'wb').write(b'\\xff\\xfe')"
TOO_MUCH = "open(sys.argv[1], 'w').write('#' * (1 << 20) + chr(10))"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "study"
    make_study(StudyFolder(path), 8, pending=2, supervised=True)
    return path


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "drafts").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "drafts"))
    monkeypatch.delenv("VISUAL", raising=False)
    return StudyFolder(Path(shutil.copytree(made, tmp_path / "study")))


@asynccontextmanager
async def reviewing(
    folder: StudyFolder, commands: list[Command], refusal: str = ""
) -> AsyncIterator[Pilot[int]]:
    async def handle(command: Command) -> Reply:
        if command.command != "ping":
            commands.append(command)
        return Reply(ok=not refusal, state="running", error=refusal)

    with EngineLock(folder.lock):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, folder.path, handle)
            with anyio.fail_after(5):
                while not socket_path(folder.path).exists():  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            async with StudyApp(folder).run_test(size=(80, 24)) as pilot:
                await pilot.press("r")
                await settle(pilot)
                yield pilot
            await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()


async def settle(pilot: Pilot[int]) -> None:
    for _ in range(2):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def edit(pilot: Pilot[int], monkeypatch: pytest.MonkeyPatch, script: str) -> list[str]:
    """Press `e` with a program as the editor; return what was said."""
    monkeypatch.setenv("EDITOR", f'{sys.executable} -c "import sys; {script}"')
    monkeypatch.setattr(pilot.app, "suspend", nullcontext)
    await pilot.press("e")
    await settle(pilot)
    return [toast.message for toast in pilot.app._notifications]


def source_of(folder: StudyFolder, experiment_id: int) -> str:
    db = sqlite3.connect(folder.database)
    sql = "SELECT text FROM sources JOIN experiments ON source_sha = sha256 WHERE id = ?"
    (text,) = db.execute(sql, (experiment_id,)).fetchone()
    db.close()
    return str(text)


def drafts(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "drafts").rglob("*.py"))


async def test_an_edit_is_sent_as_a_whole_and_leaves_no_file(
    folder: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Command] = []
    async with reviewing(folder, commands) as pilot:
        said = await edit(pilot, monkeypatch, ONE_LINE)
    source = source_of(folder, 8) + "# mine\n"
    assert commands == [Command(command="amend", experiment_id=8, source=source)]
    assert said == ["#8 is amended; it still waits for your approval."]
    assert drafts(tmp_path) == []


async def test_an_unchanged_text_is_not_sent(
    folder: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Command] = []
    async with reviewing(folder, commands) as pilot:
        assert await edit(pilot, monkeypatch, NOTHING) == ["#8 is unchanged."]
    assert commands == []
    assert drafts(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "refusal", "why"),
    [
        (ONE_LINE, "line 3 is [wrong]", "#8 stays as it is"),
        (FAILS, "", "The editor ended with status 3"),
        (NO_TEXT, "", "What the editor left is not UTF-8 text"),
        (TOO_MUCH, "", "The script has more than 1 MiB"),
    ],
)
async def test_a_text_that_cannot_be_used_is_kept(
    folder: StudyFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    refusal: str,
    why: str,
) -> None:
    commands: list[Command] = []
    async with reviewing(folder, commands, refusal) as pilot:
        said = await edit(pilot, monkeypatch, script)
    (kept,) = drafts(tmp_path)
    assert said[-1].startswith(why)
    assert str(kept) in said[-1]
    assert kept.parent.stat().st_mode & 0o077 == 0
    assert len(commands) == bool(refusal)
    if refusal:
        assert said[0] == "Line 3 is [wrong]."
        assert kept.read_text().endswith("# mine\n")


async def test_a_terminal_that_cannot_be_lent_says_so(
    folder: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Command] = []
    async with reviewing(folder, commands) as pilot:
        monkeypatch.setenv("EDITOR", "true")
        await pilot.press("e")
        await settle(pilot)
        said = [toast.message for toast in pilot.app._notifications]
    assert said == ["This terminal cannot be lent to an editor."]
    assert drafts(tmp_path) == []


def test_the_editor_is_the_persons_or_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(editor.NoEditor, match=re.escape("set $EDITOR")):
        editor.find_editor({})
    for name in ("vi", "nano", "my editor"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        expected = ["vi"] if name == "vi" else ["nano"]
        assert editor.find_editor({"EDITOR": " "}) == expected
    both = {"VISUAL": "'my editor' --wait", "EDITOR": "vi"}
    assert editor.find_editor(both) == ["my editor", "--wait"]
    with pytest.raises(editor.NoEditor, match=r"\$EDITOR names gone"):
        editor.find_editor({"EDITOR": "gone"})
    with pytest.raises(editor.NoEditor, match="not a command"):
        editor.find_editor({"EDITOR": "vi '"})
