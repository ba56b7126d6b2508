"""Self-evaluation: what it aborts, how often it errs, whether its forecasts keep their promise."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from arl_tui.durations import span
from arl_tui.output import printable
from arl_tui.widgets.bars import bar, gauge
from arl_tui.widgets.flow import flow
from arl_tui.widgets.panel import PublishedPanel, note
from state.records import Json

_STYLES = {"on": "bold green", "learning": "bold yellow", "off": "bold"}
_LABEL = 13  # columns
_LONGEST, _SHORTEST = 30, 8  # of a bar


class SelfevalPanel(PublishedPanel):
    """The early aborts: how many, how many were wrong, and what was saved."""

    def lines(self, width: int) -> Sequence[Text]:
        panel = self._panel
        if not isinstance(panel, dict):
            return [note("Self-evaluation has not said anything yet.")]
        state = str(panel.get("state", ""))
        lines = flow(
            [Text(printable(state), style=_STYLES.get(state, "bold")), *_counts(panel)], width
        )
        if state == "learning":
            lines.append(_learning(panel, width))
        elif state == "on":
            lines += [_false_aborts(panel, width), _coverage(panel, width)]
        if state == "on" and panel.get("false_aborts") is not None:
            return lines  # which say as much as its sentence
        sentence = printable(str(panel.get("sentence") or ""))
        return [*lines, note(sentence)] if sentence else lines


def _counts(panel: Json) -> list[Text]:
    parts = []
    if panel.get("state") != "learning" and panel.get("curves"):
        parts.append(f"{panel['curves']} curves")
    parts += [f"{panel[name]} {name}" for name in ("aborted", "audited") if panel.get(name)]
    if panel.get("saved_hours"):
        parts.append(f"{span(3600 * float(panel['saved_hours']))} saved")
    return [Text(part) for part in parts]


def _learning(panel: Json, width: int) -> Text:
    curves, needed = int(panel.get("curves") or 0), int(panel.get("needed") or 0)
    share = curves / needed if needed else 0.0
    words = f"{curves} of {needed} curves"
    return _line("learnt from", bar(share, _room(width, words)), words)


def _false_aborts(panel: Json, width: int) -> Text:
    value, low, high, promised = _numbers(
        panel, "false_aborts", "false_aborts_low", "false_aborts_high", "promised"
    )
    limit = "" if promised is None else f", promised {100 * promised:.0f} %"
    if value is None:
        return _line("false aborts", "", f"not measured yet{limit}")
    words = f"{100 * value:.1f} %"
    if low is None or high is None or promised is None:
        return _line("false aborts", "", words + limit)
    words += f" ({100 * low:.0f} to {100 * high:.0f} %){limit}"
    room = _room(width, words)
    drawn = gauge(low, value, high, promised, (0.0, max(high, 2 * promised)), room)
    return _line("false aborts", drawn if room else "", words)


def _coverage(panel: Json, width: int) -> Text:
    value, promised = _numbers(panel, "coverage", "coverage_promised")
    limit = "" if promised is None else f", promised {100 * promised:.0f} %"
    if value is None:
        return _line("forecasts", "", f"not measured yet{limit}")
    words = f"{100 * value:.0f} % in their band{limit}"
    drawn = list(bar(value, _room(width, words)))
    if drawn and promised is not None:
        drawn[min(int(promised * len(drawn)), len(drawn) - 1)] = "║"
    return _line("forecasts", "".join(drawn), words)


def _numbers(panel: Json, *names: str) -> list[float | None]:
    return [None if panel.get(name) is None else float(panel[name]) for name in names]


def _room(width: int, words: str) -> int:
    """The cells of a bar between the label and the words; 0 where it would be too short."""
    room = min(width - _LABEL - 2 - len(words), _LONGEST)
    return room if room >= _SHORTEST else 0


def _line(label: str, drawn: str, words: str) -> Text:
    line = Text(label.ljust(_LABEL), style="bold", no_wrap=True)
    if drawn:
        line.append(drawn, "not bold cyan").append("  ")
    return line.append(words, "not bold")
