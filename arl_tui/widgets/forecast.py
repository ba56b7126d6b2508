"""The forecast of a running experiment in words, and as a scale of its own in the metric."""

from __future__ import annotations

from arl_tui.widgets.bars import gauge
from state.metric import VAL_BPB, Metric
from state.present import Live
from state.records import Json

_EDGE = 0.1  # of the scale: free at either end


def forecast_words(live: Live, room: int, metric: Metric = VAL_BPB) -> str:
    """The score that it will probably end with, and the worst that may go on; empty if unknown.

    The latter is left out where all of it takes more than `room` columns.
    """
    if live.forecast is None:
        return ""
    words = f"forecast {metric.rough(live.forecast)}"
    if live.forecast_low is not None and live.forecast_high is not None:
        words += f" ({metric.rough(live.forecast_low)} to {metric.rough(live.forecast_high)})"
    if live.threshold is None or live.phase == "scoring":  # nothing aborts it, or not any more
        return words
    whole = f"{words}, aborts {metric.beyond} {metric.rough(live.threshold)}"
    return whole if len(whole) <= room else words


def no_forecast_words(live: Live, panel: Json) -> str:
    """Why an experiment that trains has no forecast; `panel` is what `selfeval` says."""
    state = panel.get("state") if isinstance(panel, dict) else None
    if live.phase != "training" or live.forecast is not None or state not in ("learning", "on"):
        return ""
    curves, needed = panel.get("curves"), panel.get("needed")
    if state == "learning" and isinstance(curves, int) and isinstance(needed, int):
        return f"no forecast yet: {curves} of {needed} curves"
    return "no forecast yet"


def forecast_gauge(live: Live, width: int) -> str:
    """The forecast's band and, across it, the threshold; empty where one of them is unknown."""
    middle, low, high = live.forecast, live.forecast_low, live.forecast_high
    if middle is None or low is None or high is None or live.threshold is None:
        return ""
    if live.phase == "scoring":
        return ""
    ends = min(low, live.threshold), max(high, live.threshold)
    free = _EDGE * (ends[1] - ends[0]) or 1e-6
    return gauge(low, middle, high, live.threshold, (ends[0] - free, ends[1] + free), width)
