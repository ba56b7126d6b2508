"""The keys that work on every screen, against a real control server."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from arl_tui.app import LOW_BANDWIDTH_LOOK_SECONDS, StudyApp
from arl_tui.durations import span
from arl_tui.made_up import make_study
from arl_tui.remote import farewell
from arl_tui.screens.help import Help
from arl_tui.screens.stop import StopDialog, what_stopping_does
from arl_tui.widgets.state_line import StateLine
from engine.control import Command, Reply, serve, socket_path
from state.folder import StudyFolder
from state.lock import EngineLock
from state.watch import Watcher

NOW = datetime(2026, 11, 1, 23, 8, tzinfo=UTC)
Snap = Callable[..., bool]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "study"
    make_study(StudyFolder(path), 24, pending=2)
    return path


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return StudyFolder(Path(shutil.copytree(made, tmp_path / "study")))


def change(folder: StudyFolder, sql: str) -> None:
    db = sqlite3.connect(folder.database)
    with db:
        db.execute(sql)
    db.close()


class Engine:
    """Records what it is asked; like a real one it writes what viewers shall see."""

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder
        self.asked: list[tuple[str, bool]] = []
        self.state = "running"

    async def handle(self, command: Command) -> Reply:
        if command.command == "ping":
            return Reply(ok=True, state=self.state)
        self.asked.append((command.command, command.after_current))
        event = "INSERT INTO events (at, type, data) VALUES ('2026-11-01T23:08:00Z', 'x', '{}')"
        if command.command in ("pause", "resume"):
            self.state = {"pause": "paused", "resume": "running"}[command.command]
            change(self.folder, f"UPDATE study SET state = '{self.state}'")
            change(self.folder, event)
        elif command.command in ("supervise", "unsupervise"):
            supervised = int(command.command == "supervise")
            change(self.folder, f"UPDATE study SET supervised = {supervised}")
            change(self.folder, event)
        elif command.command == "stop":
            self.state = "stopping"
        return Reply(ok=True, state=self.state)


@asynccontextmanager
async def watching(engine: Engine, **options: Any) -> AsyncIterator[Pilot[int]]:
    folder = engine.folder
    with EngineLock(folder.lock):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, folder.path, engine.handle)
            with anyio.fail_after(5):
                while not socket_path(folder.path).exists():  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            app = StudyApp(folder, now=lambda: NOW, **options)
            async with app.run_test(size=(100, 30)) as pilot:
                await settle(pilot)
                yield pilot
            await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()


async def settle(pilot: Pilot[int]) -> None:
    for _ in range(2):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


def toasts(pilot: Pilot[int]) -> list[str]:
    return [toast.message for toast in pilot.app._notifications]


def state_line(pilot: Pilot[int]) -> str:
    return str(pilot.app.screen.query_one(StateLine).content)


@pytest.mark.anyio
async def test_space_pauses_and_goes_on_and_every_viewer_sees_it(folder: StudyFolder) -> None:
    engine = Engine(folder)
    async with watching(engine) as pilot:
        await pilot.press("r", "space")
        await settle(pilot)
        assert "‖ paused" in state_line(pilot)
        await pilot.press("space")
        await settle(pilot)
        assert "● running" in state_line(pilot)
        assert toasts(pilot) == [
            "Paused: no further experiment begins; one that runs goes on.",
            "The study goes on.",
        ]
    assert engine.asked == [("pause", False), ("resume", False)]


@pytest.mark.anyio
async def test_s_switches_supervision(folder: StudyFolder) -> None:
    engine = Engine(folder)
    async with watching(engine) as pilot:
        await pilot.press("r", "s")
        await settle(pilot)
        assert "supervised  2 to review: r" in state_line(pilot)
        await pilot.press("s")
        await settle(pilot)
        assert "supervised" not in state_line(pilot)
    assert engine.asked == [("supervise", False), ("unsupervise", False)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("keys", "after_current"), [(("n",), False), (("a",), True), (("down", "enter"), True)]
)
async def test_stop_asks_first(
    folder: StudyFolder, keys: tuple[str, ...], after_current: bool
) -> None:
    engine = Engine(folder)
    async with watching(engine) as pilot:
        await pilot.press("r")
        for answer in ("escape", "enter"):
            await pilot.press("S")
            assert isinstance(pilot.app.screen, StopDialog)
            await pilot.press(answer)
            await settle(pilot)
            assert "◐ stopping" not in state_line(pilot)
            assert engine.asked == []
        await pilot.press("S", *keys)
        await settle(pilot)
        assert "◐ stopping" in state_line(pilot)
    assert engine.asked == [("stop", after_current)]


@pytest.mark.anyio
async def test_a_viewer_that_comes_later_is_told_that_the_engine_is_stopping(
    folder: StudyFolder,
) -> None:
    engine = Engine(folder)
    engine.state = "stopping"
    async with watching(engine) as pilot:
        await pilot.press("r")
        await settle(pilot)
        assert "◐ stopping" in state_line(pilot)


@pytest.mark.anyio
async def test_the_stop_dialog_keeps_up_with_the_study(folder: StudyFolder) -> None:
    async with watching(Engine(folder)) as pilot:
        await pilot.press("S")
        change(folder, "UPDATE live SET progress = 0.5")
        await pilot.app.look()  # type: ignore[attr-defined]
        text = str(pilot.app.screen.query_one("#what", Static).content)
        assert "#23 has trained 50 % of its budget." in text
        assert "waits about 2 min" in text


@pytest.mark.anyio
async def test_without_an_engine_nothing_is_ordered_and_it_says_so(folder: StudyFolder) -> None:
    async with StudyApp(folder, now=lambda: NOW).run_test() as pilot:
        await pilot.press("S", "space", "r")
        await settle(pilot)
        assert toasts(pilot) == ["No engine runs for this study."] * 2
        assert "○ stopped" in state_line(pilot)
        assert "the engine ended unexpectedly" in state_line(pilot)


@pytest.mark.anyio
async def test_quitting_says_that_the_engine_goes_on(
    folder: StudyFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    async with watching(Engine(folder)) as pilot:
        app = pilot.app
        await pilot.press("q")
    assert app.return_code == 0
    assert "goes on without this viewer. 2 to review." in capfd.readouterr().err
    assert "No engine runs" in farewell(None).plain


@pytest.mark.anyio
async def test_help_lists_the_keys_of_the_screen_and_of_the_app(folder: StudyFolder) -> None:
    async with watching(Engine(folder), keys={"pause": "P", "review.approve": "f2"}) as pilot:
        await pilot.press("r")
        await settle(pilot)
        await pilot.press("?")
        assert isinstance(pilot.app.screen, Help)
        text = "\n".join(str(part.content) for part in pilot.app.screen.query(Static))
        here, everywhere = text.split("Everywhere")
        for line in ("f2 approve", "v veto", "V veto with a note, which becomes its reason"):
            assert line in " ".join(here.split())
        for line in ("P pause the study, or go on", "S stop the engine; asks first", "q leave"):
            assert line in " ".join(everywhere.split())
        assert "✎ amended by a person" in " ".join(everywhere.split())
        await pilot.press("escape")
        assert pilot.app.current_mode == "review"


@pytest.mark.anyio
async def test_the_palette_opens_an_experiment_by_its_number(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    async with watching(Engine(folder)) as pilot:
        monkeypatch.setattr(pilot.app, "open_experiment", opened.append)
        for number, typed in ((12, "12"), (7, "#7"), (3, " 3")):
            await pilot.press("ctrl+p", *typed)
            with anyio.fail_after(5):
                while not opened:
                    await pilot.press("enter")
            await settle(pilot)
            assert opened == [number]
            opened.clear()


@pytest.mark.anyio
async def test_an_experiment_is_opened_in_the_history(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arl_tui.screens.history import History

    opened: list[int] = []
    monkeypatch.setattr(
        History, "open_experiment", lambda screen, number: opened.append(number), raising=False
    )
    async with watching(Engine(folder)) as pilot:
        pilot.app.open_experiment(7)  # type: ignore[attr-defined]
        await settle(pilot)
        assert pilot.app.current_mode == "history"
    assert opened == [7]


@pytest.mark.anyio
async def test_the_palette_offers_what_makes_sense_now(folder: StudyFolder) -> None:
    async with watching(Engine(folder)) as pilot:
        app = pilot.app

        def offered() -> set[str]:
            return {command.title for command in app.get_system_commands(app.screen)}

        assert {"Pause", "Supervise", "Stop", "Review", "History", "Theme"} <= offered()
        assert not {"Resume", "Unsupervise", "Dashboard"} & offered()
        await pilot.press("space", "r")
        await settle(pilot)
        assert {"Resume", "Dashboard"} <= offered()
        assert not {"Pause", "Review"} & offered()


@pytest.mark.anyio
async def test_a_theme_is_remembered(folder: StudyFolder, tmp_path: Path) -> None:
    async with StudyApp(folder).run_test() as pilot:
        pilot.app.theme = "nord"
        await settle(pilot)
    file = tmp_path / "config" / "arl-tui" / "viewer.json"
    assert json.loads(file.read_text()) == {"theme": "nord"}
    assert StudyApp(folder).theme == "nord"
    for text in ("{", "[]", '{"theme": "gone"}', '{"theme": 3}'):
        file.write_text(text)
        assert StudyApp(folder).theme == "textual-dark"


@pytest.mark.anyio
async def test_a_theme_that_cannot_be_remembered_is_still_shown(
    folder: StudyFolder, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("no folder")
    async with StudyApp(folder).run_test() as pilot:
        pilot.app.theme = "nord"
        await settle(pilot)
        assert pilot.app.theme == "nord"
        assert toasts(pilot) == []


@pytest.mark.anyio
async def test_low_bandwidth_looks_seldom_and_animates_nothing(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals: list[float] = []
    original = StudyApp.set_interval

    def recorded(self: StudyApp, interval: float, *rest: Any, **more: Any) -> Any:
        intervals.append(interval)
        return original(self, interval, *rest, **more)

    monkeypatch.setattr(StudyApp, "set_interval", recorded)
    async with StudyApp(folder, low_bandwidth=True).run_test() as pilot:
        assert pilot.app.animation_level == "none"
    assert intervals == [LOW_BANDWIDTH_LOOK_SECONDS]


@pytest.mark.anyio
async def test_a_reading_that_is_given_up_does_not_overlap_the_next(folder: StudyFolder) -> None:
    begun, release = threading.Event(), threading.Event()
    inside: list[str] = []

    def slow(watcher: Watcher) -> None:
        inside.append("slow begins")
        begun.set()
        release.wait(5)
        inside.append("slow ends")

    async with StudyApp(folder).run_test() as pilot:
        app = pilot.app
        assert isinstance(app, StudyApp)
        given_up = asyncio.create_task(app.read(slow))
        await asyncio.to_thread(begun.wait, 5)
        given_up.cancel()
        following = asyncio.create_task(app.read(lambda watcher: inside.append("next")))
        await asyncio.sleep(0.05)
        release.set()
        await following
    assert inside == ["slow begins", "slow ends", "next"]


async def _press(pilot: Pilot[int], *keys: str) -> None:
    await settle(pilot)
    await pilot.press(*keys)
    await settle(pilot)


@pytest.mark.parametrize("keys", [("S",), ("r", "?")], ids=["stop", "help"])
def test_the_dialogs_look_like_this(
    snap_compare: Snap, folder: StudyFolder, keys: tuple[str, ...]
) -> None:
    with EngineLock(folder.lock):
        app = StudyApp(folder, now=lambda: NOW)
        assert snap_compare(
            app, terminal_size=(80, 24), run_before=lambda pilot: _press(pilot, *keys)
        )


@pytest.mark.anyio
async def test_stopping_is_explained_for_none_one_and_several(folder: StudyFolder) -> None:
    from dataclasses import replace

    with EngineLock(folder.lock):
        async with StudyApp(folder).run_test() as pilot:
            assert isinstance(pilot.app, StudyApp)
            now = pilot.app.snapshot
    assert now is not None
    (live,) = now.live
    one = " ".join(what_stopping_does(now))
    assert "#23 has trained 62 % of its budget." in one
    assert "Stopping now interrupts it, and it runs again from the start" in one
    assert "Stopping afterwards waits about 1 min, and for its score." in one
    assert "vetoes" in one
    none = " ".join(what_stopping_does(replace(now, live=[])))
    assert "No experiment runs at the moment." in none
    assert "interrupts" not in none
    two = replace(now, live=[live, replace(live, experiment_id=24, phase="starting")])
    several = " ".join(what_stopping_does(two))
    assert "interrupts them, and they run again" in several
    assert "waits for the last of them" in several


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600 + 4 * 60, "1 h 04 min"),
        (86_400 * 2 + 3600 * 4, "2 d 4 h"),
    ],
)
def test_spans_of_time(seconds: float, text: str) -> None:
    assert span(seconds) == text
