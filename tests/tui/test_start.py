"""Before there is a study to show: the plan, the start, and an engine that does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from textual.geometry import Region
from textual.widgets import Static

from arl_tui.launch import Launch
from arl_tui.made_up import make_study
from arl_tui.screens.start import Failed, StartApp
from engine.plan import plan
from engine.settings import validate
from state.folder import StudyFolder
from state.watch import Watcher

pytestmark = pytest.mark.anyio


def never() -> Launch:
    raise AssertionError("nothing was to be started")


def app(
    launch: Callable[[], Launch] = never, *, exists: bool = False, wait: bool = True
) -> StartApp:
    settings = validate({"slots": {"devices": "cpu*2"}, "limits": {"max_hours": 8}})
    return StartApp(plan(settings, []), launch, exists=exists, wait=wait)


def plan_lines(start: StartApp) -> list[str]:
    widget = start.query_one("#plan", Static)
    strips = widget.render_lines(Region(0, 0, *widget.size))
    return [strip.text.rstrip() for strip in strips]


def shown(start: StartApp) -> str:
    plan = " ".join(" ".join(plan_lines(start)).split())
    return f"{start.query_one('#title').render()}\n{plan}"


async def test_it_says_what_would_run_and_waits() -> None:
    start = app()
    async with start.run_test(size=(80, 24)) as pilot:
        seen = shown(start)
        for words in (
            "would start a new study",
            "the shipped train.py",
            "cpu*2",
            "20 s of cpu time for each experiment",
            "about 35 s per experiment",
            "8 hours",
        ):
            assert words in seen
        await pilot.press("h")  # there is no history to look at
        await pilot.press("q")
    assert start.return_value == "leave"


async def test_what_is_long_is_aligned_below_itself() -> None:
    long = "a limit that takes its words; " * 5
    start = StartApp([("until", long), ("policy", "ppo")], never, exists=False, wait=True)
    async with start.run_test(size=(80, 24)):
        lines = plan_lines(start)
    assert lines[0].startswith("until   a limit")
    assert all(line.startswith("        ") and line.strip() for line in lines[1:-1])
    assert len(lines) > 2
    assert lines[-1] == "policy  ppo"


async def test_of_a_study_that_exists_the_history_can_be_read() -> None:
    start = app(exists=True)
    async with start.run_test(size=(80, 24)) as pilot:
        assert "would go on with the study" in shown(start)
        await pilot.press("h")
    assert start.return_value == "look"


async def test_an_engine_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = StudyFolder(tmp_path / ".arl")
    start = app(
        lambda: Launch(folder, ["--study", str(folder.path), "--target", "nowhere.py"]), wait=False
    )
    async with start.run_test(size=(80, 24)) as pilot:
        for _ in range(600):
            await pilot.pause(0.05)
            if start.return_value is not None:
                break
    result = start.return_value
    assert isinstance(result, Failed)
    assert result.code == 4
    assert "nowhere.py" in result.sentence
    assert not folder.exists


async def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    start = app(lambda: Launch(StudyFolder(tmp_path / "file" / "study"), []), wait=False)
    async with start.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
    assert isinstance(start.return_value, Failed)
    assert str(tmp_path / "file") in start.return_value.sentence


async def test_who_leaves_while_it_starts_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    launched: list[Launch] = []

    def launch() -> Launch:
        launched.append(Launch(StudyFolder(tmp_path / ".arl"), ["--study", str(tmp_path / ".arl")]))
        return launched[-1]

    start = app(launch, wait=False)
    async with start.run_test(size=(80, 24)) as pilot:
        await pilot.press("q")
    assert start.return_value == "ended"
    for _ in range(100):
        if launched[0].ended() is not None:
            break
        await anyio.sleep(0.05)
    assert launched[0].ended() is not None
    assert not launched[0].folder.exists


def test_what_is_expected_is_what_was_measured(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "study")
    make_study(folder, 40)
    with Watcher(folder) as watcher:
        done = watcher.briefs()
    rows = dict(plan(validate({"slots": {"devices": "cuda:0"}}), done))
    assert rows["budget"] == "300 s of wall time for each experiment"
    assert rows["expected"] == "about 59 s per experiment, as so far"  # the times are made up
    assert rows["until"] == (
        "convergence (at least 450 experiments without a gain); 10 failures in a row alike; "
        "25 failures in a row; 2 of the incumbent in a row; less than 0.5 GB of disk"
    )
    rows = dict(plan(validate({"budget": {"clock": "steps", "seconds": 40}}), []))
    assert rows["budget"] == "40 batches for each experiment"
    assert "unknown" in rows["expected"]
