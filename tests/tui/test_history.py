"""The history screen: its keys, what it shows of a study that grows, and how it looks."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Label, Static

from arl_tui.app import StudyApp
from arl_tui.made_up import make_study
from arl_tui.screens.history import History
from arl_tui.widgets.comparison_view import ComparisonView
from arl_tui.widgets.diff_view import DiffView
from arl_tui.widgets.prompt import Prompt
from state.folder import StudyFolder
from state.lock import EngineLock

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 1, 23, 2, tzinfo=UTC)  # while experiment 59 of a made-up study runs


@pytest.fixture(autouse=True)
def _in_the_history(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(StudyApp, "DEFAULT_MODE", "history")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """60 experiments, which no test changes."""
    folder = StudyFolder(tmp_path_factory.mktemp("study") / ".arl")
    make_study(folder, 60, seed=4)
    return folder


@pytest.fixture
def own_study(tmp_path: Path) -> StudyFolder:
    folder = StudyFolder(tmp_path / ".arl")
    make_study(folder, 12, seed=4, running=False)
    return folder


@contextmanager
def engine(folder: StudyFolder) -> Iterator[None]:
    """What looks like a living engine."""
    with EngineLock(folder.lock):
        yield


async def settle(pilot: Pilot[Any]) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@asynccontextmanager
async def shown(
    folder: StudyFolder, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[Pilot[Any], History]]:
    app = StudyApp(folder)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        assert isinstance(app.screen, History)
        yield pilot, app.screen


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)


async def write(pilot: Pilot[Any], text: str) -> None:
    """Answer the question that is asked."""
    pilot.app.screen.query_one(Input).value = text
    await press(pilot, "enter")


def title(screen: History) -> str:
    return str(screen.query_one("#title", Static).content)


def notices(pilot: Pilot[Any]) -> list[str]:
    return [notice.message for notice in pilot.app._notifications]


def complaint(screen: History) -> str:
    return str(screen.query_one(".complaint", Label).content)


def shown_id(screen: History) -> int:
    assert screen.detail.detail is not None
    return screen.detail.detail.experiment.id


class TestTheTable:
    async def test_newest_first_with_its_detail_beside_it(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            assert [brief.id for brief in screen.table.rows[:3]] == [59, 58, 57]
            assert shown_id(screen) == 59
            await press(pilot, "down", "j", "n", "n", "n", "up", "k", "p")
            assert shown_id(screen) == 57
            await press(pilot, "end")
            assert shown_id(screen) == 0
            await press(pilot, "home", "pagedown", "pageup")
            assert shown_id(screen) == 59

    async def test_t_sorts_by_the_next_column_and_T_reverses(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            await press(pilot, "t", "t")
            scores = [b.val_bpb for b in screen.table.rows if b.val_bpb is not None]
            assert scores == sorted(scores)
            assert screen.table.rows[-1].val_bpb is None
            assert shown_id(screen) == screen.table.rows[0].id
            await press(pilot, "T")
            scores = [b.val_bpb for b in screen.table.rows if b.val_bpb is not None]
            assert scores == sorted(scores, reverse=True)
            assert "worst score first" in title(screen)

    async def test_a_header_sorts_and_a_row_takes_the_cursor(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            await pilot.click("#table", offset=(25, 0))
            assert screen.listing.order == "bpb"
            await pilot.click("#table", offset=(25, 0))
            assert (screen.listing.order, screen.listing.reverse) == ("bpb", True)
            await pilot.click("#table", offset=(5, 4))
            assert screen.table.cursor == 3

    async def test_the_cursor_and_the_rows_stand_still_when_one_is_added(
        self, own_study: StudyFolder
    ) -> None:
        async with shown(own_study, (80, 10)) as (pilot, screen):
            await press(pilot, "end")
            top = screen.table.rows[screen.table.scroll_offset.y].id
            add_experiment(own_study, 12, "queued", diff="")
            await grown(pilot)
            assert screen.table.rows[0].id == 12
            assert shown_id(screen) == 0
            assert screen.table.rows[screen.table.scroll_offset.y].id == top

    async def test_ten_thousand_rows_are_drawn_a_screenful_at_a_time(
        self, study: StudyFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with shown(study) as (pilot, screen):
            drawn: list[int] = []
            row = screen.table._row
            monkeypatch.setattr(
                screen.table, "_row", lambda b, *rest: drawn.append(b.id) or row(b, *rest)
            )
            one = screen.table.rows[0]
            many = [one._replace(id=number) for number in range(10_000)]
            screen.table.show(many, 5_000)
            await pilot.pause()
            assert 5_000 in drawn
            assert len(set(drawn)) <= 2 * screen.table.size.height


class TestTheFilter:
    async def test_lists_what_matches_and_escape_lists_everything(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            await press(pilot, "slash")
            await write(pilot, "keep  -sentinel")
            kinds = {(brief.status, brief.kind) for brief in screen.table.rows}
            assert kinds <= {("keep", "baseline"), ("keep", "replicate"), ("keep", "candidate")}
            assert "of 60 match keep -sentinel" in title(screen)
            await press(pilot, "escape")
            assert len(screen.table.rows) == 60

    async def test_a_wrong_one_says_why_and_keeps_the_rows(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            await press(pilot, "slash")
            await write(pilot, "bpb<")
            assert "needs a number" in complaint(screen)
            assert len(screen.table.rows) == 60
            await press(pilot, "escape")
            assert screen.table.has_focus

    async def test_finds_text_in_diffs_as_the_study_grows(self, own_study: StudyFolder) -> None:
        async with shown(own_study) as (pilot, screen):
            await press(pilot, "slash")
            await write(pilot, '"needle [b]"')
            assert screen.table.rows == []
            assert screen.detail.detail is None
            add_experiment(own_study, 12, "queued", diff="+ the NEEDLE [b]")
            add_experiment(own_study, 13, "queued", diff="+ another")
            await grown(pilot)
            assert [brief.id for brief in screen.table.rows] == [12]

    async def test_an_experiment_that_it_leaves_out_can_be_opened(self, study: StudyFolder) -> None:
        async with shown(study, (80, 24)) as (pilot, screen):
            await press(pilot, "slash")
            await write(pilot, "#3")
            screen.open_experiment(20)
            await settle(pilot)
            assert shown_id(screen) == 20
            assert screen.query_one("#side").display
            assert not screen.table.display


class TestTheDetail:
    async def test_enter_opens_it_and_escape_goes_back(self, study: StudyFolder) -> None:
        async with shown(study, (80, 24)) as (pilot, screen):
            assert not screen.query_one("#side").display
            await press(pilot, "down", "enter")
            assert screen.query_one("#side").display
            assert not screen.table.display
            await press(pilot, "escape")
            assert screen.table.display
            assert screen.table.has_focus

    async def test_brackets_turn_its_tabs(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            await press(pilot, "down", "down")
            names = []
            for _ in range(4):
                await press(pilot, "right_square_bracket")
                names.append(screen.detail.tab)
            assert names == ["log", "source", "numbers", "diff"]
            await press(pilot, "left_square_bracket")
            assert screen.detail.tab == "numbers"

    async def test_a_log_is_shown_with_its_controls_visible(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            screen.open_experiment(0)
            await press(pilot, "right_square_bracket")
            lines = ["".join(p.text for p in line.pieces) for line in screen.detail.page.lines]  # type: ignore[attr-defined]
            assert "\\x1b[31mwarning\\x1b[0m: lr_scale is 0.0 at the end" in lines

    async def test_y_copies_what_is_shown_or_says_that_there_is_nothing(
        self, study: StudyFolder
    ) -> None:
        async with shown(study) as (pilot, screen):
            edited = next(b.id for b in screen.table.rows if b.kind == "candidate" and b.summary)
            screen.open_experiment(edited)
            await settle(pilot)
            await press(pilot, "y")
            assert screen.detail.detail is not None
            assert pilot.app.clipboard == screen.detail.detail.experiment.diff != ""
            assert f"Copied the diff of #{edited}: " in notices(pilot)[-1]
            await press(pilot, "right_square_bracket", "right_square_bracket", "y")
            assert pilot.app.clipboard == screen.detail.detail.source
            assert f"Copied the source of #{edited}: " in notices(pilot)[-1]
            screen.open_experiment(0)  # which edits nothing
            await settle(pilot)
            await press(pilot, "left_square_bracket", "left_square_bracket", "y")
            assert notices(pilot)[-1] == "There is no diff of #0 to copy."


class TestWriting:
    async def test_o_writes_the_source(self, study: StudyFolder, tmp_path: Path) -> None:
        async with shown(study) as (pilot, screen):
            screen.open_experiment(20)
            await settle(pilot)
            await press(pilot, "o")
            assert pilot.app.screen.query_one(Input).value == "train-20.py"
            await press(pilot, "enter")
            assert screen.detail.detail is not None
            source = screen.detail.detail.source
            assert (tmp_path / "train-20.py").read_text() == source
            assert not screen.query_one(Prompt).display
            assert "is now in train-20.py" in notices(pilot)[-1]

    async def test_an_existing_file_is_overwritten_when_asked_twice(
        self, study: StudyFolder, tmp_path: Path
    ) -> None:
        file = tmp_path / "mine.py"
        file.write_text("mine")
        async with shown(study) as (pilot, screen):
            await press(pilot, "o")
            await write(pilot, "mine.py")
            assert "exists: press enter to overwrite it" in complaint(screen)
            assert file.read_text() == "mine"
            await press(pilot, "enter")
            assert file.read_text() != "mine"

    async def test_what_cannot_be_written_is_said(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            await press(pilot, "o")
            for name, part in (
                (" ", "Give the name of a file."),
                ("no/such/folder.py", "make it first"),
                (".", "is not a file"),
                ("~nobody-at-all/x.py", "home"),
            ):
                await write(pilot, name)
                assert part in complaint(screen)
                assert screen.query_one(Prompt).display


class TestComparing:
    async def test_c_compares_with_the_marked_one(self, study: StudyFolder) -> None:
        async with shown(study, (80, 24)) as (pilot, screen):
            await press(pilot, "c")
            assert "Mark an experiment first" in notices(pilot)[-1]
            await press(pilot, "m", "c")
            assert "go to another one" in notices(pilot)[-1]
            assert "#59 marked" in title(screen)
            await press(pilot, "end", "c")
            comparison = screen.query_one(ComparisonView).comparison
            assert comparison is not None
            assert (comparison.start.id, comparison.end.id) == (59, 0)
            assert not screen.table.display
            await press(pilot, "y")
            assert pilot.app.clipboard == comparison.diff
            await press(pilot, "escape")
            assert screen.table.has_focus
            await press(pilot, "home", "m")
            assert "marked" not in title(screen)

    async def test_b_shows_the_way_to_the_best(self, study: StudyFolder) -> None:
        async with shown(study) as (pilot, screen):
            await press(pilot, "b")
            comparison = screen.query_one(ComparisonView).comparison
            assert comparison is not None
            assert screen._now is not None
            best = screen._now.incumbents[-1].experiment_id
            assert best > 0
            assert (comparison.start.id, comparison.end.id) == (0, best)
            assert screen.query_one("#comparison DiffView", DiffView).text == comparison.diff


async def test_an_empty_study_says_so(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / ".arl")
    make_study(folder, 0)
    async with shown(folder) as (pilot, screen):
        assert "no engine runs" in screen.table.empty
        await press(pilot, "enter", "m", "c", "b", "y", "o", "t", "T", "n", "escape")
        assert "the baseline has not been scored" in " ".join(notices(pilot))


async def test_every_key_can_be_renamed() -> None:
    for binding in History.BINDINGS:
        assert binding.id  # type: ignore[union-attr]


def add_experiment(folder: StudyFolder, number: int, status: str, diff: str) -> None:
    db = sqlite3.connect(folder.database)
    with db:
        db.execute(
            "INSERT INTO experiments (id, epoch_id, kind, source_sha, status, diff, seed, attempt, "
            "created_at, summary, why, reason) SELECT ?, 1, 'candidate', source_sha, ?, ?, 1, 0, "
            "created_at, '', '', '' FROM experiments WHERE id = 0",
            (number, status, diff),
        )
        db.execute(
            "INSERT INTO events (at, type, experiment_id, data) VALUES ('', 'queued', ?, '{}')",
            (number,),
        )
    db.close()


async def grown(pilot: Pilot[Any]) -> None:
    """Wait until the app has looked again."""
    app = pilot.app
    assert isinstance(app, StudyApp)
    await app.look()
    await settle(pilot)


Keys = tuple[str, ...]
Snap = Callable[..., bool]


def looking(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def act(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        for key in keys:
            await press(pilot, key)

    return act


class TestLooks:
    @pytest.mark.parametrize(
        ("size", "keys"),
        [
            ((80, 24), ("down", "down")),
            ((80, 24), ("down", "down", "down", "enter")),
            ((120, 40), ("down", "down", "down")),
            ((200, 60), ("down", "down", "down", "t", "t")),
            ((120, 40), ("b",)),
            ((120, 40), ("slash",)),
            ((80, 24), ("down", "down", "enter")),
            ((120, 40), ("down", "down", "down", *["right_square_bracket"] * 3)),
        ],
        ids=[
            "table-80",
            "detail-80",
            "120",
            "200-by-score",
            "best-120",
            "filter-120",
            "audited-80",
            "aborted-120",
        ],
    )
    def test_sizes(
        self, snap_compare: Snap, study: StudyFolder, size: tuple[int, int], keys: Keys
    ) -> None:
        with engine(study):
            assert snap_compare(
                StudyApp(study, now=lambda: NOW), terminal_size=size, run_before=looking(*keys)
            )

    def test_without_colour(
        self, snap_compare: Snap, study: StudyFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        with engine(study):
            app = StudyApp(study, now=lambda: NOW)
            keys = ("down", "down", "down")
            assert snap_compare(app, terminal_size=(120, 40), run_before=looking(*keys))

    def test_empty(self, snap_compare: Snap, tmp_path: Path) -> None:
        folder = StudyFolder(tmp_path / ".arl")
        make_study(folder, 0)
        assert snap_compare(
            StudyApp(folder, now=lambda: NOW), terminal_size=(80, 24), run_before=looking()
        )
