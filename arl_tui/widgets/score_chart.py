"""Scores over experiments or hours: marks, the incumbent's stairs, noise, baseline, forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import numpy as np
from textual.binding import Binding, BindingType
from textual.events import Click, MouseDown
from textual.message import Message
from textual_plot.axis_formatter import NumericAxisFormatter
from textual_plot.plot_widget import DataSet

from arl_tui.feed import Snapshot
from arl_tui.what_runs import running
from arl_tui.widgets.marks import COVERING, MARKS, STYLE_OF_MARK
from arl_tui.widgets.plot import (
    ABOVE,
    BELOW,
    Band,
    Level,
    Marks,
    Plot,
    ShortNumbers,
    Spans,
    WholeNumbers,
    line,
)
from arl_tui.widgets.scores import (
    Axis,
    Forecasts,
    Scores,
    Stairs,
    forecasts,
    scores,
    stairs,
    window,
)

_KEEP = MARKS["keep"]
_UNFINISHED = (MARKS["running"], MARKS["interrupted"])
_BASELINE, _STAIRS, _NOISE, _FORECAST = "yellow", "green", "bright_black", "bold cyan"


class ScoreChart(Plot):
    """The current epoch's experiments. One is picked: the newest, until the cursor moves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "switch_axis", "Hours", id="chart.axis"),
        Binding("left", "move(-1)", "Earlier", id="chart.earlier", show=False),
        Binding("right", "move(1)", "Later", id="chart.later", show=False),
        Binding("shift+left", "move(-10)", "10 earlier", id="chart.much_earlier", show=False),
        Binding("shift+right", "move(10)", "10 later", id="chart.much_later", show=False),
        Binding("home", "first", "First", id="chart.first", show=False),
        Binding("end", "newest", "Newest", id="chart.newest", show=False),
        Binding("enter", "open", "Open", id="chart.open"),
        Binding("plus", "zoom_in", "Zoom in", id="chart.zoom_in", key_display="+", show=False),
        Binding("minus", "zoom_out", "Zoom out", id="chart.zoom_out", key_display="-", show=False),
        Binding("0", "reset_scales", "Whole chart", id="chart.whole", show=False),
    ]

    @dataclass
    class Moved(Message):
        """Another experiment is picked, or none."""

        experiment_id: int | None

    @dataclass
    class Picked(Message):
        """A person wants to see the picked experiment."""

        experiment_id: int

    def __init__(self, id: str | None = None) -> None:
        super().__init__(interactive=True, id=id)
        self.axis: Axis = "experiments"
        self._now: Snapshot | None = None
        self._scores: Scores | None = None
        self._picked: int | None = None
        self._pressed: tuple[int, int] | None = None
        self.set_ylabel("no score")
        self.set_y_formatter(ShortNumbers())

    @property
    def picked(self) -> int | None:
        """The id of the picked experiment; None while the chart is empty."""
        found = self._scores
        if found is None or not len(found.ids):
            return None
        return self._picked if self._picked in found.ids else int(found.ids[-1])

    @property
    def seen(self) -> tuple[float, float]:
        """The left and the right end of what is seen."""
        return self._x_min, self._x_max

    def show(self, now: Snapshot) -> None:
        """Draw the study as it is now."""
        self._now = now
        before = self.picked
        self._prepare(now)
        if self.picked != before:
            self.post_message(self.Moved(self.picked))

    def _prepare(self, now: Snapshot) -> None:
        epoch = None if now.status.epoch is None else now.status.epoch.id
        began = datetime.fromisoformat(now.status.study.created_at)
        sigma, baseline = now.status.sigma, now.status.baseline
        found = scores(now.briefs, epoch, self.axis, began)
        self._scores = found
        first, last = (float(found.x.min()), float(found.x.max())) if len(found.x) else (0.0, 1.0)
        steps = stairs(now.incumbents, epoch, self.axis, began, first, sigma)
        anchors = [*steps.y.tolist(), *([] if baseline is None else [baseline])]
        edge = 0.5 if self.axis == "experiments" else max((last - first) / 100, 1 / 60)
        first, last = first - edge, last + edge
        self.corner = "no." if self.axis == "experiments" else "hours"
        self.set_x_formatter(
            WholeNumbers() if self.axis == "experiments" else NumericAxisFormatter()
        )
        expected = forecasts(running(now), found)
        self.draw(_shapes(found, steps, baseline, expected, last))
        direction = now.status.study.direction
        self.view((first, last), window(found.y, anchors, sigma, direction))

    def action_switch_axis(self) -> None:
        self.axis = "hours" if self.axis == "experiments" else "experiments"
        self.zoomed = False
        if self._now is not None:
            self.show(self._now)

    def action_move(self, steps: int) -> None:
        found, picked = self._scores, self.picked
        if found is None or picked is None:
            return
        at = int(np.searchsorted(found.ids, picked)) + steps
        self._pick(int(found.ids[min(max(at, 0), len(found.ids) - 1)]))

    def action_first(self) -> None:
        if self._scores is not None and len(self._scores.ids):
            self._pick(int(self._scores.ids[0]))

    def action_newest(self) -> None:
        """Pick the newest experiment, and each newer one as it comes."""
        if self.picked is not None and self._scores is not None:
            self._pick(int(self._scores.ids[-1]))
            self._picked = None

    def action_open(self) -> None:
        if self.picked is not None:
            self.post_message(self.Picked(self.picked))

    def on_mouse_down(self, event: MouseDown) -> None:
        self._pressed = (event.screen_x, event.screen_y)

    def on_click(self, event: Click) -> None:
        if self._pressed != (event.screen_x, event.screen_y):
            return  # the end of a drag
        origin = self.canvas.region.offset
        nearest = self._nearest(event.screen_x - origin.x, event.screen_y - origin.y)
        if nearest is not None:
            self._pick(nearest)
            if event.chain == 2:
                self.action_open()

    def _nearest(self, column: int, row: int) -> int | None:
        """The experiment drawn nearest to a cell of the canvas."""
        found = self._scores
        if found is None or not len(found.ids):
            return None
        area = self._scale_rectangle
        rows = np.zeros(len(found.ids))  # without a score: the row above the scale
        scored = ~np.isnan(found.y)
        rows[scored] = np.clip(self.rows_of(found.y[scored]), area.y, area.bottom - 1)
        # A cell is about twice as high as it is wide.
        far = np.abs(self.columns_of(found.x) - column) + 2 * np.abs(rows - row)
        return int(found.ids[len(far) - 1 - int(np.argmin(far[::-1]))])

    def _pick(self, experiment_id: int) -> None:
        self._picked = experiment_id
        self._keep_in_view()
        self._rerender()
        self.post_message(self.Moved(experiment_id))

    def _keep_in_view(self) -> None:
        at = self._place()
        if self.zoomed and at is not None and not self._x_min <= at[0] <= self._x_max:
            half = (self._x_max - self._x_min) / 2
            self._x_min, self._x_max = at[0] - half, at[0] + half

    def _zoom_with_keyboard(self, factor: float, zoom_x: bool = True, zoom_y: bool = True) -> None:
        """Zoom around the picked experiment."""
        place = self._place()
        if place is None:
            return
        middle = (self._y_min + self._y_max) / 2
        y = middle if np.isnan(place[1]) else min(max(place[1], self._y_min), self._y_max)
        self._zoom(place[0], y, factor, zoom_x, zoom_y)

    def _place(self) -> tuple[float, float, str] | None:
        """Where the picked experiment is, and its mark."""
        found, picked = self._scores, self.picked
        if found is None or picked is None:
            return None
        at = int(np.searchsorted(found.ids, picked))
        return float(found.x[at]), float(found.y[at]), str(found.marks[at])

    def _draw_over(self) -> None:
        """A line through the picked experiment, and its mark reversed."""
        place, area = self._place(), self._scale_rectangle
        if place is None:
            return
        x, y, glyph = place
        (column,) = self.columns_of(np.array([x])).tolist()
        if not area.x <= column < area.right:
            return
        for row in range(area.y, area.bottom):
            if self.canvas.get_pixel(column, row)[0] in (" ", "░"):
                self.canvas.set_pixel(column, row, "│", "bright_black")
        style = f"reverse bold {STYLE_OF_MARK[glyph].removeprefix('bold')}"
        if np.isnan(y):
            self.canvas.set_pixel(column, 0, glyph, style)
            return
        (row,) = self.rows_of(np.array([y])).tolist()
        if row < area.y:
            glyph, row = ABOVE, area.y
        elif row >= area.bottom:
            glyph, row = BELOW, area.bottom - 1
        self.canvas.set_pixel(column, row, glyph, style)


def _shapes(
    found: Scores, steps: Stairs, baseline: float | None, expected: Forecasts, end: float
) -> Sequence[DataSet]:
    shapes: list[DataSet] = []
    if len(steps.x) and steps.band.any():
        lowest, highest = steps.y - steps.band, steps.y + steps.band
        shapes.append(Band(x=steps.x, y=lowest, line_style=_NOISE, hires_mode=None, top=highest))
    if baseline is not None:
        level = np.array([baseline])
        shapes.append(Level(x=level, y=level, line_style=_BASELINE, hires_mode=None))
    marks = {glyph: _marks(found, glyph) for glyph in COVERING}
    shapes += [some for glyph, some in marks.items() if glyph != _KEEP]
    shapes.append(line(*steps.steps(end), style=_STAIRS))
    shapes.append(marks[_KEEP])  # no line hides where it came from
    if len(expected.x):
        shapes.append(
            Spans(
                x=expected.x,
                y=expected.low,
                line_style=_FORECAST,
                hires_mode=None,
                top=expected.high,
                middle=expected.middle,
                limit=expected.limit,
            )
        )
    return shapes


def _marks(found: Scores, glyph: str) -> Marks:
    these = found.marks == glyph
    return Marks(
        x=found.x[these],
        y=found.y[these],
        hires_mode=None,
        marker=glyph,
        marker_style=STYLE_OF_MARK[glyph],
        on_top=glyph in _UNFINISHED,
    )
