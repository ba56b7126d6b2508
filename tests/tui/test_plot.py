"""The chart's drawing: it survives NO_COLOR, hides no incumbent, and marks what is off it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from textual.app import App, ComposeResult

from arl_tui.app import StudyApp
from arl_tui.screens.dashboard import Dashboard
from arl_tui.widgets.plot import ABOVE, BELOW, Marks, Plot, PlotCanvas
from arl_tui.widgets.score_chart import ScoreChart
from state.records import Incumbent
from state.watch import Brief

pytestmark = pytest.mark.anyio


class OnePlot(App[None]):
    def compose(self) -> ComposeResult:
        yield Plot(interactive=False)


def marks(x: list[float], y: list[float], glyph: str, **options: Any) -> Marks:
    return Marks(
        x=np.array(x),
        y=np.array(y),
        marker=glyph,
        marker_style="red",
        hires_mode=None,
        **options,
    )


def cells(plot: Plot) -> list[str]:
    width, height = plot.canvas.size
    return ["".join(plot.canvas.get_pixel(x, y)[0] for x in range(width)) for y in range(height)]


async def test_a_chart_without_colours_does_not_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = OnePlot()
    async with app.run_test(size=(40, 12)) as pilot:
        plot = app.query_one(Plot)
        plot.draw([marks([0.5], [0.5], "o")])
        plot.view((0, 1), (0, 1))
        await pilot.pause()
        assert any("o" in row for row in cells(plot))
        canvas = app.query_one("#plot", PlotCanvas)
        beyond = canvas.render_line(canvas.size.height + 5)  # has no style in textual-plot
        assert all(segment.style is not None for segment in beyond)


async def test_what_is_off_the_chart_is_marked_at_its_edge() -> None:
    app = OnePlot()
    async with app.run_test(size=(40, 12)) as pilot:
        plot = app.query_one(Plot)
        plot.draw([marks([0.2, 0.5, 0.8], [9e9, 0.5, -9e9], "o")])
        plot.view((0, 1), (0, 1))
        await pilot.pause()
        rows = cells(plot)
        assert rows[1].count(ABOVE) == 1
        assert rows[-2].count(BELOW) == 1
        assert sum(row.count("o") for row in rows) == 1


async def test_the_most_frequent_of_those_without_a_score_is_seen() -> None:
    app = OnePlot()
    async with app.run_test(size=(40, 12)) as pilot:
        plot, nan = app.query_one(Plot), float("nan")
        few, many = marks([0.5], [nan], "x"), marks([0.5, 0.5], [nan, nan], "a")
        plot.view((0, 1), (0, 1))
        plot.draw([many, few])
        await pilot.pause()
        assert cells(plot)[0].split() == ["a"]
        plot.draw([marks([0.5], [nan], "r", on_top=True), many, few])
        await pilot.pause()
        assert cells(plot)[0].split() == ["r"]


async def test_ten_thousand_experiments_hide_no_incumbent_and_take_no_time(
    study_app: Callable[..., StudyApp], brief: Callable[..., Brief]
) -> None:
    app, dice = study_app(1), random.Random(0)
    best = {number: 2.3 - 0.01 * step for step, number in enumerate(range(0, 10_000, 500))}
    briefs = [
        brief(n, status="keep", val_bpb=best[n])
        if n in best
        else brief(n, val_bpb=2.3 + dice.gauss(0, 0.1))
        for n in range(10_000)
    ]
    incumbents = [
        Incumbent(seq=n, epoch_id=1, experiment_id=n, since="", score=score, sigma=0.004)
        for n, score in best.items()
    ]
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        screen, chart = app.screen, app.screen.query_one(ScoreChart)
        assert isinstance(screen, Dashboard)
        assert app.snapshot is not None
        many = replace(app.snapshot, briefs=briefs, incumbents=incumbents)
        screen.follow(many, frozenset({"experiments"}))
        await pilot.pause()
        began = time.process_time()
        screen.follow(many, frozenset({"experiments"}))
        chart._render_plot()
        assert time.process_time() - began < 1.0  # 0.1 s on a slow machine
        rows = cells(chart)
        for number, score in best.items():
            (column,) = chart.columns_of(np.array([float(number)])).tolist()
            (row,) = chart.rows_of(np.array([score])).tolist()
            assert rows[row][column] == "◆", number
