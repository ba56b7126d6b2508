"""What each key and click of the dashboard does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from arl_tui.app import StudyApp
from arl_tui.screens.dashboard import PANES, Dashboard
from arl_tui.widgets.loss_curve import LossCurve
from arl_tui.widgets.run_panel import RunPanel
from arl_tui.widgets.score_chart import ScoreChart

pytestmark = pytest.mark.anyio

MakeApp = Callable[..., StudyApp]


@asynccontextmanager
async def shown(app: StudyApp, size: tuple[int, int] = (80, 24)) -> Any:
    async with app.run_test(size=size) as pilot:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        yield pilot


def chart_of(pilot: Pilot[Any]) -> ScoreChart:
    return pilot.app.screen.query_one(ScoreChart)


def panes_of(pilot: Pilot[Any]) -> list[str]:
    """The panes that can be seen."""
    screen = pilot.app.screen
    return [pane for pane in PANES if screen.query_one(f"#{pane}").region.area]


def picked_text(pilot: Pilot[Any]) -> str:
    return str(pilot.app.screen.query_one("#picked").render())


async def test_the_cursor_picks_an_experiment_and_says_what_it_was(study_app: MakeApp) -> None:
    async with shown(study_app()) as pilot:
        chart = chart_of(pilot)
        assert chart.picked == 59  # the newest
        for key, picked in [
            ("left", 58),
            ("shift+left", 48),
            ("shift+right", 58),
            ("home", 0),
            ("left", 0),
            ("right", 1),
            ("end", 59),
        ]:
            await pilot.press(key)
            assert chart.picked == picked, key
        await pilot.press("home")
        assert picked_text(pilot).startswith("#0 baseline  ◆ keep  2.")


async def test_the_newest_is_picked_until_the_cursor_moves_and_after_end(
    study_app: MakeApp,
) -> None:
    app = study_app()
    async with shown(app) as pilot:
        chart, screen, now = chart_of(pilot), app.screen, app.snapshot
        assert isinstance(screen, Dashboard)
        assert now is not None
        newer = replace(now, briefs=[*now.briefs, now.briefs[-1]._replace(id=60)])
        newest = replace(now, briefs=[*newer.briefs, now.briefs[-1]._replace(id=61)])
        await pilot.press("left")
        screen.follow(newer, frozenset({"experiments"}))
        assert chart.picked == 58
        await pilot.press("end")
        screen.follow(newest, frozenset({"experiments"}))
        assert chart.picked == 61
        await pilot.pause()
        assert picked_text(pilot).startswith("#61 ")


async def test_enter_opens_the_picked_experiment(
    study_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    monkeypatch.setattr(
        StudyApp, "open_experiment", lambda app, id: opened.append(id), raising=False
    )
    async with shown(study_app()) as pilot:
        await pilot.press("left", "enter")
        await pilot.pause()
    assert opened == [58]


async def test_a_click_picks_the_nearest(study_app: MakeApp) -> None:
    async with shown(study_app()) as pilot:
        chart = chart_of(pilot)
        await pilot.click("#plot", offset=(1, 8))  # the left edge: the baseline's score
        assert chart.picked in (0, 1)
        await pilot.click("#plot", offset=(20, 0))  # the row of those without a score
        assert chart.picked is not None
        assert pilot.app.snapshot.briefs[chart.picked].val_bpb is None


async def test_zoom_is_around_the_picked_one_lasts_and_ends(study_app: MakeApp) -> None:
    app = study_app()
    async with shown(app) as pilot:
        chart = chart_of(pilot)
        whole = chart.seen
        await pilot.press("home", "plus", "plus")
        closer = chart.seen
        assert closer[1] - closer[0] < whole[1] - whole[0]
        assert closer[0] <= 0 <= closer[1]
        assert app.snapshot is not None
        chart.show(app.snapshot)
        assert chart.seen == closer
        await pilot.press("end")  # which is out of sight
        assert chart.seen[0] <= 59 <= chart.seen[1]
        await pilot.press("minus")
        assert chart.seen[1] - chart.seen[0] > closer[1] - closer[0]
        await pilot.press("0")
        assert chart.seen == whole


async def test_x_switches_between_experiments_and_hours(study_app: MakeApp) -> None:
    async with shown(study_app()) as pilot:
        chart = chart_of(pilot)
        assert chart.seen[1] == pytest.approx(59.5)
        await pilot.press("x")
        assert chart.axis == "hours"
        assert 1.0 < chart.seen[1] < 1.1  # 59 experiments of 62 s
        await pilot.press("left")
        assert chart.picked == 58
        await pilot.press("x")
        assert chart.axis == "experiments"


async def test_each_number_shows_a_pane_where_there_is_room_for_one(study_app: MakeApp) -> None:
    async with shown(study_app()) as pilot:
        assert panes_of(pilot) == ["scores"]
        for number, pane in enumerate(PANES):
            await pilot.press(str(number + 1))
            assert panes_of(pilot) == [pane]
            focused = pilot.app.focused
            assert focused is not None
            assert pane in [one.id for one in focused.ancestors_with_self]


async def test_tab_and_clicks_change_the_pane_that_is_shown(study_app: MakeApp) -> None:
    async with shown(study_app()) as pilot:
        await pilot.press("tab")
        assert panes_of(pilot) == ["run"]
        await pilot.press("shift+tab", "shift+tab")
        assert panes_of(pilot) == ["selfeval"]
        await pilot.click("#strip", offset=(12, 0))
        await pilot.pause()
        assert panes_of(pilot) == ["run"]


async def test_all_panes_are_shown_where_there_is_room(study_app: MakeApp) -> None:
    async with shown(study_app(), (120, 40)) as pilot:
        assert panes_of(pilot) == list(PANES)
        await pilot.resize_terminal(120, 24)
        await pilot.pause()
        assert panes_of(pilot) == ["scores"]


@pytest.mark.parametrize("rows", [34, 40])
async def test_the_loss_curve_has_room_where_all_panes_are_shown(
    study_app: MakeApp, rows: int
) -> None:
    async with shown(study_app(61, overlapping=True), (110, rows)) as pilot:
        assert panes_of(pilot) == list(PANES)
        assert pilot.app.screen.query_one(LossCurve).canvas.size.height >= 5


async def test_tab_walks_through_the_panes_where_all_are_seen(study_app: MakeApp) -> None:
    async with shown(study_app(), (120, 40)) as pilot:
        walked = []
        for _ in PANES:
            await pilot.press("tab")
            focused = pilot.app.focused
            assert focused is not None
            walked.append(focused.id)
        assert walked == [*PANES[1:], "chart"]


async def test_brackets_choose_among_what_runs(study_app: MakeApp) -> None:
    app = study_app(62)
    async with shown(app) as pilot:
        screen, now = app.screen, app.snapshot
        assert isinstance(screen, Dashboard)
        assert now is not None
        (live,) = now.live
        two = replace(now, live=[replace(live, experiment_id=60), live])
        screen.follow(two, frozenset({"live"}))
        panel = screen.query_one(RunPanel)
        assert panel.chosen == 60
        await pilot.press("2", "]")
        assert panel.chosen == 61
        await app.workers.wait_for_complete()
        assert str(screen.query_one("#diff").border_title).endswith("of what runs, #61")
        await pilot.press("]", "[")
        assert panel.chosen == 61
        screen.follow(replace(now, live=[two.live[0]]), frozenset({"live"}))
        assert panel.chosen == 60


async def test_the_app_keeps_its_own_keys_while_the_chart_is_focused(study_app: MakeApp) -> None:
    async with shown(study_app()) as pilot:
        assert pilot.app.focused is chart_of(pilot)
        await pilot.press("r")
        assert not isinstance(pilot.app.screen, Dashboard)


async def test_only_what_has_changed_is_written(
    study_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = study_app()
    async with shown(app) as pilot:
        drawn: list[object] = []
        monkeypatch.setattr(ScoreChart, "show", lambda self, now: drawn.append(now))
        screen = pilot.app.screen
        assert isinstance(screen, Dashboard)
        assert app.snapshot is not None
        screen.follow(app.snapshot, frozenset({"live", "devices", "panels", "reviews"}))
        assert not drawn
        screen.follow(app.snapshot, frozenset({"experiments"}))
        assert len(drawn) == 1
        (live,) = app.snapshot.live
        assert live.forecast is not None
        another = replace(live, forecast=live.forecast + 0.01)
        screen.follow(replace(app.snapshot, live=[another]), frozenset({"live"}))
        assert len(drawn) == 2
