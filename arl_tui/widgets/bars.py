"""Bars, gauges and sparklines, one row high."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int) -> str:
    """A bar of so many cells, filled to a share from 0 to 1; what is left is dots."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    filled = "█" * full + (_EIGHTHS[rest] if rest else "")
    return filled + "·" * (width - len(filled))


def gauge(
    low: float, value: float, high: float, limit: float, scale: tuple[float, float], width: int
) -> str:
    """A value with its interval on a scale of so many cells, and across it a limit: `··━╋━·║·`."""
    start, span = scale[0], max(scale[1] - scale[0], 1e-12)

    def cell(at: float) -> int:
        return min(max(int((at - start) / span * width), 0), width - 1)

    cells = ["·"] * width
    cells[cell(low) : cell(high) + 1] = "━" * (cell(high) - cell(low) + 1)
    cells[cell(limit)] = "║"
    cells[cell(value)] = "╋"
    return "".join(cells)


def sparkline(values: Sequence[float | None], top: float, width: int) -> str:
    """The last `width` values as heights from 0 to `top`; the newest is at the right."""
    cells = [_height(value, top) for value in values[-width:]]
    return "".join(cells).rjust(width)


def _height(value: float | None, top: float) -> str:
    if value is None:
        return " "
    share = min(max(value / top, 0.0), 1.0) if top > 0 else 0.0
    return _HEIGHTS[round(share * (len(_HEIGHTS) - 1))]
