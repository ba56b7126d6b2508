"""textual-plot's chart with what we need beside its lines: marks, bands, levels, and no crash.

With NO_COLOR, Textual 8.2.8 passes every segment through its `Monochrome` filter, which takes
`style.color` of each; the canvas makes blank strips with no style at all, and that ends the app.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Grid
from textual.strip import Strip
from textual_hires_canvas import Canvas, HiResMode, TextAlign
from textual_plot import PlotWidget
from textual_plot.axis_formatter import NumericAxisFormatter
from textual_plot.plot_widget import DataSet, Legend, LinePlot, ScatterPlot

from state.metric import short_exponent

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

ABOVE, BELOW = "▴", "▾"  # of what lies beyond the view
# textual-plot frames the scale with heavy lines; a light axis at the left and below is enough.
_LIGHT = str.maketrans("┃┫┗┣━┳┛", "│┤└└─┬ ")
_ON_TOP = 1 << 30  # more than any number of marks
_LABEL = 8  # columns of a number left of the chart
_SMALLEST = 5  # columns or rows of a canvas below which nothing can be told


@dataclass
class Marks(ScatterPlot):
    """Points at most one to a cell. Those above or below the view are on its edge.

    A point whose y is NaN has no place on the scale: it is in the row above the scale. Where
    several are in one of its cells, the most frequent mark is seen, or one that is `on_top`.
    """

    on_top: bool = False


@dataclass
class Band(LinePlot):
    """From `y` to `top`, filled column by column; between its points it keeps the left one's."""

    top: Floats


@dataclass
class Level(LinePlot):
    """A dashed line across the chart at `y[0]`."""


@dataclass
class Spans(LinePlot):
    """At each `x` a heavy upright line from `y` to `top` with a mark at `middle`, and a double
    line across it at `limit`, where that is not NaN."""

    top: Floats
    middle: Floats
    limit: Floats


class WholeNumbers(NumericAxisFormatter):
    """Ticks at whole numbers alone."""

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        ticks = super().get_ticks(min_, max_, max_ticks)
        return [float(round(tick)) for tick in ticks if abs(tick - round(tick)) < 1e-6]

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        return [f"{tick:.0f}" for tick in ticks]


class ShortNumbers(NumericAxisFormatter):
    """Labels that fit left of the chart: with an exponent where they would be too long."""

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        labels = super().get_labels_for_ticks(ticks)
        if not labels or max(map(len, labels)) <= _LABEL:
            return labels
        for digits in range(_LABEL):
            labels = [short_exponent(f"{tick:.{digits}e}") for tick in ticks]
            if len(set(labels)) == len(ticks):
                break
        return labels


class PlotCanvas(Canvas):
    """A canvas whose every segment has a style."""

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        if all(segment.style is not None for segment in strip):
            return strip
        plain = self.rich_style
        segments = [Segment(text, style or plain, control) for text, style, control in strip]
        return Strip(segments, strip.cell_length)


class Plot(PlotWidget, inherit_bindings=False):
    """A chart that keeps its view while a person has zoomed into it, until `reset_scales`."""

    def __init__(self, *, interactive: bool, id: str | None = None) -> None:
        super().__init__(id=id, allow_pan_and_zoom=interactive, invert_mouse_wheel=True)
        self.can_focus = interactive
        self.zoomed = False
        self._rail: dict[int, tuple[int, str, str]] = {}  # weight, mark and style by column
        self.corner = ""
        """What the numbers along the x axis are; it stands left of them."""

    def compose(self) -> ComposeResult:
        with Grid():
            yield PlotCanvas(1, 1, id="margin-top")
            yield PlotCanvas(1, 1, id="margin-left")
            yield PlotCanvas(1, 1, id="plot")
            yield PlotCanvas(1, 1, id="margin-bottom")
        yield Legend(id="legend")

    def on_mount(self) -> None:
        self.margin_top, self.margin_bottom, self.margin_left = 0, 1, 9

    def draw(self, shapes: Sequence[DataSet]) -> None:
        """Show these and nothing else; later ones cover earlier ones."""
        self._datasets = list(shapes)
        self._labels = [None] * len(self._datasets)
        self._rerender()

    def view(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Set what is seen from edge to edge, unless a person has zoomed."""
        self._user_x_min, self._user_x_max = x
        self._user_y_min, self._user_y_max = y
        if not self.zoomed:
            self.action_reset_scales()

    def action_reset_scales(self) -> None:
        self.zoomed = False
        super().action_reset_scales()

    def _zoom(
        self, center_x: float, center_y: float, factor: float, zoom_x: bool, zoom_y: bool
    ) -> None:
        self.zoomed = True
        super()._zoom(center_x, center_y, factor, zoom_x, zoom_y)

    def _pan(self, factor_x: float, factor_y: float) -> None:
        self.zoomed = True
        super()._pan(factor_x, factor_y)

    @property
    def canvas(self) -> Canvas:
        """The canvas inside the margins; its outermost cells are the frame."""
        return self.query_one("#plot", Canvas)

    def columns_of(self, x: Floats) -> Ints:
        """The canvas columns of x values; those out of the view are beyond the frame."""
        area, span = self._scale_rectangle, self._x_max - self._x_min
        columns = np.floor(area.x + (x - self._x_min) * area.width / span)
        cells: Ints = np.clip(columns, -1, area.right + 1).astype(np.int64)
        return cells

    def rows_of(self, y: Floats) -> Ints:
        """The canvas rows of y values, from 0 (above the view) to height + 1 (below it)."""
        area, span = self._scale_rectangle, self._y_max - self._y_min
        rows = area.bottom - 1 - np.floor((y - self._y_min) * area.height / span)
        cells: Ints = np.clip(rows, area.y - 1, area.bottom).astype(np.int64)
        return cells

    def _render_plot(self) -> None:
        if not self.is_mounted or min(self.canvas.size) < _SMALLEST:
            return
        self._rail.clear()
        with self.canvas.batch_refresh():
            super()._render_plot()
            self._lighten()
            for column, (_, glyph, style) in self._rail.items():
                self.canvas.set_pixel(column, 0, glyph, style)
            self._draw_over()

    def _lighten(self) -> None:
        canvas, style = self.canvas, str(self.get_component_rich_style("plot--axis"))
        width, height = canvas.size
        for row in range(height):
            glyph = canvas.get_pixel(0, row)[0].translate(_LIGHT) if row else " "
            canvas.set_pixel(0, row, glyph, style)
            canvas.set_pixel(width - 1, row, " ", style)
        for column in range(1, width):
            canvas.set_pixel(column, 0, " ", style)
            glyph = canvas.get_pixel(column, height - 1)[0].translate(_LIGHT)
            canvas.set_pixel(column, height - 1, glyph, style)

    def _draw_over(self) -> None:
        """Draw what covers everything else."""

    def _render_x_label(self) -> None:
        self.query_one("#margin-bottom", Canvas).write_text(
            self.margin_left - 2,
            0,
            f"[{self.get_component_rich_style('plot--label')}]{self.corner}",
            TextAlign.RIGHT,
        )

    def _render_y_label(self) -> None:
        self.query_one("#margin-left", Canvas).write_text(
            self.margin_left - 2,
            0,
            f"[{self.get_component_rich_style('plot--label')}]{self._y_label}",
            TextAlign.RIGHT,
        )

    def _render_scatter_plot(self, dataset: ScatterPlot) -> None:
        if not isinstance(dataset, Marks):
            super()._render_scatter_plot(dataset)
            return
        canvas, area, style = self.canvas, self._scale_rectangle, dataset.marker_style
        columns = self.columns_of(dataset.x)
        inside = (columns >= area.x) & (columns < area.right)
        columns, y = columns[inside], dataset.y[inside]
        without = np.isnan(y)
        for column, times in Counter(columns[without].tolist()).items():
            weight = _ON_TOP if dataset.on_top else times
            if weight >= self._rail.get(column, (0,))[0]:
                self._rail[column] = weight, dataset.marker, style
        columns, rows = columns[~without], self.rows_of(y[~without])
        for column, row in np.unique(np.stack([columns, rows], axis=1), axis=0).tolist():
            if row < area.y:
                canvas.set_pixel(column, area.y, ABOVE, style)
            elif row >= area.bottom:
                canvas.set_pixel(column, area.bottom - 1, BELOW, style)
            else:
                canvas.set_pixel(column, row, dataset.marker, style)

    def _render_line_plot(self, dataset: LinePlot) -> None:
        area, style = self._scale_rectangle, dataset.line_style
        if isinstance(dataset, Level):
            (row,) = self.rows_of(dataset.y[:1]).tolist()
            if area.y <= row < area.bottom:
                cells = [(column, row) for column in range(area.x, area.right)]
                self.canvas.set_pixels(cells, "╌", style)
        elif isinstance(dataset, Band):
            self._fill(dataset)
        elif isinstance(dataset, Spans):
            self._stand(dataset)
        elif len(dataset.x) > 1:
            super()._render_line_plot(dataset)

    def _fill(self, band: Band) -> None:
        area = self._scale_rectangle
        columns = np.arange(area.x, area.right)
        middles = (columns + 0.5 - area.x) * (self._x_max - self._x_min) / area.width + self._x_min
        at = np.searchsorted(band.x, middles, side="right") - 1
        columns, at = columns[at >= 0], at[at >= 0]
        highest = np.maximum(self.rows_of(band.top[at]), area.y)
        lowest = np.minimum(self.rows_of(band.y[at]), area.bottom - 1)
        cells = [
            (int(column), row)
            for column, first, last in zip(columns, highest, lowest, strict=True)
            for row in range(int(first), int(last) + 1)
        ]
        self.canvas.set_pixels(cells, "░", band.line_style)

    def _stand(self, spans: Spans) -> None:
        area, style, canvas = self._scale_rectangle, spans.line_style, self.canvas
        places = zip(
            self.columns_of(spans.x),
            *(self.rows_of(y) for y in (spans.top, spans.y, spans.middle)),
            self.rows_of(np.nan_to_num(spans.limit, nan=np.inf)),
            strict=True,
        )
        for column, highest, lowest, middle, limit in np.array(list(places)).tolist():
            if not area.x <= column < area.right:
                continue
            if lowest < area.y or highest >= area.bottom:
                row = area.y if lowest < area.y else area.bottom - 1
                canvas.set_pixel(column, row, ABOVE if lowest < area.y else BELOW, style)
            else:
                first, last = max(highest, area.y), min(lowest, area.bottom - 1)
                canvas.set_pixels([(column, row) for row in range(first, last + 1)], "┃", style)
            if area.y <= limit < area.bottom:
                across = range(max(column - 1, area.x), min(column + 2, area.right))
                canvas.set_pixels([(beside, limit) for beside in across], "═", style)
            if area.y <= middle < area.bottom:
                canvas.set_pixel(column, middle, "╋", style)


def line(x: Floats, y: Floats, style: str) -> LinePlot:
    """A thin line through points, two by four dots to a cell."""
    return LinePlot(x=x, y=y, line_style=style, hires_mode=HiResMode.BRAILLE)
