"""The loss of a running experiment over what it has spent of its budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from textual_hires_canvas import TextAlign
from textual_plot.plot_widget import DataSet

from arl_tui.widgets.plot import Floats, Marks, Plot, line
from state.records import Clock, Point

_SEEN = 0.9  # of the losses: the steep beginning, or one that ran away, is off the chart
_LOSS, _REFERENCE = "cyan", "bright_black"
_DOT = "·"


class LossCurve(Plot):
    """Loss, usually in nats per token; the right edge is the budget's end."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(interactive=False, id=id)
        self.set_ylabel("nats")
        self._caption = ""

    def show(
        self,
        points: Sequence[Point],
        budget: float,
        clock: Clock,
        reference: Sequence[Point] = (),
        reference_name: str = "",
        *,
        unit: str = "nats",
    ) -> None:
        """Draw a curve, over another as dots if one is given.

        `budget` is in seconds, or in steps when the clock is `steps`.
        """
        self._caption = f"{_DOT}{_DOT} {reference_name}" if reference else ""
        x, y = _arrays(points, budget)
        best_x, best_y = _arrays(reference, budget)
        window = loss_window([*y.tolist(), *best_y.tolist()])
        seen = best_y <= window[1]
        best_x, best_y = best_x[seen], best_y[seen]
        shapes: list[DataSet] = [
            Marks(x=best_x, y=best_y, marker=_DOT, marker_style=_REFERENCE, hires_mode=None),
            line(x, y, _LOSS),
        ]
        self.set_ylabel(unit)
        self.corner = "steps" if clock == "steps" else "seconds"
        self.draw(shapes)
        self.view((0.0, budget), window)

    def _draw_over(self) -> None:
        right = self.canvas.size.width - 2
        self.canvas.write_text(right, 0, self._caption, TextAlign.RIGHT)


def loss_window(losses: Sequence[float]) -> tuple[float, float]:
    """The losses to show, from the lowest to the highest."""
    if not losses:
        return 0.0, 1.0
    low, high = min(losses), float(np.quantile(losses, _SEEN))
    edge = max(0.05 * (high - low), 0.01)
    return low - edge, high + edge


def _arrays(points: Sequence[Point], budget: float) -> tuple[Floats, Floats]:
    known = [(progress * budget, loss) for progress, _, loss in points if loss is not None]
    both = np.array(known, dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
