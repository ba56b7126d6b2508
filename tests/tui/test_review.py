"""The review screen as it looks, and its keys against a real control server."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from arl_tui.app import StudyApp
from arl_tui.made_up import make_study
from arl_tui.screens.review import ReviewQueue
from arl_tui.widgets.review_list import ReviewList
from engine.control import Command, Reply, serve, socket_path
from state.folder import StudyFolder
from state.lock import EngineLock
from state.store import Store

NOW = datetime(2026, 11, 1, 23, 8, tzinfo=UTC)
SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}
Handle = Callable[[Command], Awaitable[Reply]]
Snap = Callable[..., bool]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "study"
    make_study(StudyFolder(path), 60, pending=4, supervised=True)
    return path


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return StudyFolder(Path(shutil.copytree(made, tmp_path / "study")))


@pytest.fixture
def lock(folder: StudyFolder) -> Iterator[None]:
    with EngineLock(folder.lock):
        yield


def change(folder: StudyFolder, sql: str) -> None:
    db = sqlite3.connect(folder.database)
    with db:
        db.execute(sql)
    db.close()


def look(folder: StudyFolder, **options: object) -> StudyApp:
    return StudyApp(folder, now=lambda: NOW, **options)  # type: ignore[arg-type]


async def settle(pilot: Pilot[int]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def show_review(pilot: Pilot[int]) -> None:
    await pilot.press("r")
    await settle(pilot)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_queue(snap_compare: Snap, folder: StudyFolder, lock: None, size: object) -> None:
    amended = (
        "UPDATE reviews SET proposed_sha = (SELECT source_sha FROM experiments WHERE id = 61) "
        "WHERE experiment_id = 61"
    )
    change(folder, amended)
    change(folder, "UPDATE experiments SET log_prob = NULL WHERE id = 61")
    change(
        folder,
        "UPDATE reviews SET verdict = 'approve', decided_by = 'person', decided_at = requested_at "
        "WHERE experiment_id = 63",
    )
    assert snap_compare(look(folder), terminal_size=size, run_before=show_review)


def test_the_queue_without_colours(
    snap_compare: Snap, folder: StudyFolder, lock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(look(folder), terminal_size=(80, 24), run_before=show_review)


EMPTY = {
    "not_supervised": ("UPDATE study SET supervised = 0", True),
    "nothing_waits": ("SELECT 1", True),
    "no_engine": ("SELECT 1", False),
}


@pytest.mark.parametrize("case", EMPTY)
def test_an_empty_queue_says_why(snap_compare: Snap, folder: StudyFolder, case: str) -> None:
    sql, alive = EMPTY[case]
    change(folder, "DELETE FROM reviews")
    change(folder, sql)
    if alive:
        with EngineLock(folder.lock):
            assert snap_compare(look(folder), terminal_size=(80, 24), run_before=show_review)
    else:
        assert snap_compare(look(folder), terminal_size=(80, 24), run_before=show_review)


class Engine:
    """A control server that records what it is asked, and refuses when told to."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.refusal = ""
        self.state = "running"

    async def handle(self, command: Command) -> Reply:
        if command.command != "ping":
            self.commands.append(command)
        if self.refusal and command.command != "ping":
            return Reply(ok=False, error=self.refusal)
        return Reply(ok=True, state=self.state)


@asynccontextmanager
async def served(folder: StudyFolder, handle: Handle) -> AsyncIterator[None]:
    with EngineLock(folder.lock):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, folder.path, handle)
            with anyio.fail_after(5):
                while not socket_path(folder.path).exists():  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            yield
            await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def reviewing(
    folder: StudyFolder, handle: Handle, **options: object
) -> AsyncIterator[Pilot[int]]:
    async with served(folder, handle), look(folder, **options).run_test(size=(120, 40)) as pilot:
        await show_review(pilot)
        yield pilot


def queue(pilot: Pilot[int]) -> ReviewList:
    return pilot.app.screen.query_one(ReviewList)


def selected(pilot: Pilot[int]) -> int:
    proposal = queue(pilot).selected
    assert proposal is not None
    return proposal.id


def facts(pilot: Pilot[int]) -> str:
    return str(pilot.app.screen.query_one("#facts", Static).content)


def listed(pilot: Pilot[int]) -> list[str]:
    return [str(option.prompt) for option in queue(pilot).options]


def toasts(pilot: Pilot[int]) -> list[str]:
    return [toast.message for toast in pilot.app._notifications]


@pytest.mark.anyio
@pytest.mark.parametrize(("key", "verdict"), [("a", "approve"), ("v", "veto")])
async def test_a_verdict_is_sent_and_the_next_one_is_selected(
    folder: StudyFolder, key: str, verdict: str
) -> None:
    engine = Engine()
    async with reviewing(folder, engine.handle) as pilot:
        assert selected(pilot) == 60
        await pilot.press("down", key)
        assert selected(pilot) == 62
        await settle(pilot)
        assert engine.commands == [Command(command=verdict, experiment_id=61)]  # type: ignore[arg-type]
        assert "#62" in facts(pilot)


@pytest.mark.anyio
async def test_a_verdict_is_given_once_and_the_last_one_is_followed_by_the_first(
    folder: StudyFolder,
) -> None:
    engine = Engine()
    async with reviewing(folder, engine.handle) as pilot:
        await pilot.press("end", "a", "a", "a", "a", "a", "v")
        await settle(pilot)
        assert [c.experiment_id for c in engine.commands] == [63, 60, 61, 62]


@pytest.mark.anyio
@pytest.mark.parametrize(("key", "verdict"), [("A", "approve"), ("V", "veto")])
async def test_a_note_goes_with_the_verdict_and_escape_sends_nothing(
    folder: StudyFolder, key: str, verdict: str
) -> None:
    engine = Engine()
    async with reviewing(folder, engine.handle) as pilot:
        await pilot.press(key, "n", "o", "escape")
        await settle(pilot)
        assert engine.commands == []
        assert selected(pilot) == 60
        await pilot.press(key, *"[b]q", "enter")
        await settle(pilot)
        sent = Command(command=verdict, experiment_id=60, note="[b]q")  # type: ignore[arg-type]
        assert engine.commands == [sent]
        assert selected(pilot) == 61


@pytest.mark.anyio
async def test_a_refusal_is_shown_and_its_note_offered_again(folder: StudyFolder) -> None:
    engine = Engine()
    engine.refusal = "experiment 60 has [begun]"
    async with reviewing(folder, engine.handle) as pilot:
        await pilot.press("V", *"deep", "enter")
        await settle(pilot)
        assert toasts(pilot) == ["Experiment 60 has [begun]."]
        await pilot.press("up", "V")
        assert pilot.app.screen.query_one(Input).value == "deep"


@pytest.mark.anyio
async def test_an_approved_candidate_moves_below_until_it_begins(folder: StudyFolder) -> None:
    async with Store.open(folder) as store:

        async def handle(command: Command) -> Reply:
            if command.command == "approve":
                assert command.experiment_id is not None
                await store.approve(command.experiment_id, by="person", note=command.note)
            return Reply(ok=True, state="running")

        async with reviewing(folder, handle) as pilot:
            await pilot.press("A", *"go", "enter")
            await settle(pilot)
            assert [line.split()[0] for line in listed(pilot)] == ["#61", "#62", "#63", "✓"]
            assert "#60  approved" in listed(pilot)[-1]
            assert selected(pilot) == 61
            await pilot.press("end", "a")
            await settle(pilot)
            assert "approved, and not yet begun\nnote  go" in facts(pilot)
            assert toasts(pilot) == ["#60 is approved already."]
            await store.start(60, slot=0, device="cuda:0")
            await pilot.app.look()  # type: ignore[attr-defined]
            await settle(pilot)
            assert len(listed(pilot)) == 3


@pytest.mark.anyio
async def test_the_selection_stays_when_another_one_goes(folder: StudyFolder) -> None:
    engine = Engine()
    async with reviewing(folder, engine.handle) as pilot:
        await pilot.press("down", "down")
        change(
            folder,
            "UPDATE reviews SET verdict = 'veto', decided_by = 'person', decided_at = requested_at "
            "WHERE experiment_id = 61",
        )
        change(
            folder,
            "INSERT INTO events (at, type, experiment_id, data) "
            "VALUES ('2026-11-01T23:08:00.000000Z', 'review', 61, '{}')",
        )
        await pilot.app.look()  # type: ignore[attr-defined]
        await settle(pilot)
        assert selected(pilot) == 62
        assert len(listed(pilot)) == 3


@pytest.mark.anyio
async def test_the_time_until_it_is_approved_by_itself_is_shown(folder: StudyFolder) -> None:
    change(
        folder,
        "UPDATE study SET settings = json_set(settings, '$.review.auto_approve_seconds', 400)",
    )
    engine = Engine()
    async with reviewing(folder, engine.handle) as pilot:
        assert "approved in 22 s" in listed(pilot)[0]
        assert "approved in 22 s unless you decide" in facts(pilot)


@pytest.mark.anyio
async def test_it_says_whether_the_machine_waits(folder: StudyFolder) -> None:
    engine = Engine()
    async with reviewing(folder, engine.handle) as pilot:
        work = pilot.app.screen.query_one("#work", Static)
        assert str(work.content) == "The GPU does not wait for you: #59 trains, 62 %"
        change(folder, "DELETE FROM live")
        await pilot.app.look()  # type: ignore[attr-defined]
        assert str(work.content) == "The GPU waits for you: nothing else is ready to run"


@pytest.mark.anyio
async def test_a_parent_that_is_no_longer_the_incumbent_is_pointed_out(
    folder: StudyFolder,
) -> None:
    change(folder, "UPDATE experiments SET parent_id = 2 WHERE id = 60")
    engine = Engine()
    async with reviewing(folder, engine.handle) as pilot:
        assert "from #2 " in facts(pilot)
        assert "its parent is no longer the incumbent: #26 is" in facts(pilot)
        await pilot.press("down")
        await settle(pilot)
        assert "no longer" not in facts(pilot)


@pytest.mark.anyio
async def test_without_an_engine_a_verdict_is_not_lost_but_refused(folder: StudyFolder) -> None:
    async with look(folder).run_test(size=(80, 24)) as pilot:
        await show_review(pilot)
        await pilot.press("a")
        await settle(pilot)
        assert toasts(pilot) == ["No engine runs for this study."]
        assert "✓" not in "".join(listed(pilot))
        assert "verdicts cannot be given" in str(
            pilot.app.screen.query_one("#work", Static).content
        )


@pytest.mark.anyio
async def test_text_of_candidates_steers_no_terminal(folder: StudyFolder) -> None:
    change(
        folder,
        "UPDATE experiments SET summary = '[red]x' || char(27) || '[2J', "
        "why = '[/b]' || char(7) WHERE id = 60",
    )
    engine = Engine()
    async with reviewing(folder, engine.handle) as pilot:
        assert "[red]x\\x1b[2J" in listed(pilot)[0]
        assert "[red]x\\x1b[2J" in facts(pilot)
        assert "[/b]\\x07" in facts(pilot)
        assert isinstance(pilot.app.screen, ReviewQueue)
