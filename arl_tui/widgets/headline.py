"""The line on top: how the study stands, in numbers, whatever pane is shown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from arl_tui.feed import Snapshot
from arl_tui.output import printable
from arl_tui.study_state import Tone, state_of
from arl_tui.what_runs import doing, running
from arl_tui.widgets.tally import per_hour
from state.metric import SELF_REPORTED, Metric

_STYLES: dict[Tone, str] = {
    "success": "bold green",
    "warning": "bold yellow",
    "error": "bold red",
    "plain": "bold",
}
_LONGEST_NAME, _LONGEST_METRIC = 24, 16


class Headline(Static):
    """State, best, baseline, gain, noise and speed in one line; the last to matter drops out."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._now: Snapshot | None = None
        self._shown: Text | None = None

    def show(self, now: Snapshot) -> None:
        """Show the study as it is now."""
        self._now = now
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        if self._now is None or not self.content_size.width:
            return
        line = headline(self._now, self.content_size.width)
        if line != self._shown:
            self._shown = line
            self.update(line)


def headline(now: Snapshot, width: int) -> Text:
    """The line in at most so many columns."""
    # From what must be seen to what may be left out; they stand in another order.
    optional = [_noise(now), _speed(now), _name(now), _count(now), _long_gain(now), _runs(now)]
    for spared in range(len(optional) + 1):
        noise, speed, name, count, gain, runs = [
            part if number < len(optional) - spared else None
            for number, part in enumerate(optional)
        ]
        parts = [name, _state(now), _review(now), _contention(now)]
        parts += [*_numbers(now, gain), noise, speed, count, runs]
        line = Text("  ").join([part for part in parts if part is not None])
        line.no_wrap, line.overflow = True, "ellipsis"
        if line.cell_len <= width:
            return line
    return line


def _state(now: Snapshot) -> Text:
    mark, word, tone = state_of(now)
    return Text(f"{mark} {word}", style=_STYLES[tone])


def _review(now: Snapshot) -> Text | None:
    if now.reviews:
        return Text(f"{len(now.reviews)} to review: r", style="bold yellow")
    return Text("supervised") if now.status.study.supervised else None


def _contention(now: Snapshot) -> Text | None:
    busy = now.status.contention is not None and now.status.engine_pid is not None
    return Text("busy machine", style="bold yellow") if busy else None


def _numbers(now: Snapshot, gain: Text | None) -> Sequence[Text]:
    status = now.status
    metric = Metric.of(status.study)
    best, baseline = (
        "-" if score is None else metric.number(score) for score in (status.best, status.baseline)
    )
    if metric.self_reported:
        best += f" {SELF_REPORTED}"
    title = metric.title[:_LONGEST_METRIC]
    return [
        _field("best" if metric.is_bpb else f"best {title}", best),
        _field("baseline", baseline),
        gain or _field("gain", _percent(now)),
    ]


def _noise(now: Snapshot) -> Text:
    sigma, best = now.status.sigma, now.status.best
    metric = Metric.of(now.status.study)
    return _field("sigma", "-" if sigma is None else metric.spread(sigma, best or sigma))


def _speed(now: Snapshot) -> Text | None:
    speed = per_hour(now.briefs)
    if speed is None:
        return None
    return Text(f"{speed:.0f}/h" if speed >= 10 else f"{speed:.1f}/h")


def _percent(now: Snapshot) -> str:
    best, baseline = now.status.best, now.status.baseline
    if best is None or not baseline:
        return "-"
    gain = Metric.of(now.status.study).gain(baseline, best)
    return f"{100 * gain / abs(baseline):.1f} %"


def _long_gain(now: Snapshot) -> Text | None:
    best, baseline, sigma = now.status.best, now.status.baseline, now.status.sigma
    if best is None or baseline is None:
        return None
    metric = Metric.of(now.status.study)
    gain = metric.gain(baseline, best)
    noise = f", {gain / sigma:.0f} sigma" if sigma else ""
    of = "" if now.status.best_id is None else f" by #{now.status.best_id}"
    size = metric.spread(gain, best) + " bpb" * metric.is_bpb
    return _field("gain", f"{size} ({_percent(now)}{noise}){of}")


def _name(now: Snapshot) -> Text:
    name = printable(now.status.study.name)
    short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    return Text(short, style="bold")


def _count(now: Snapshot) -> Text:
    many = now.status.experiments
    return Text(f"{len(now.briefs) if now.briefs else many} experiments")


def _runs(now: Snapshot) -> Text | None:
    runs = running(now)
    return Text(", ".join(map(doing, runs)), style="dim") if runs else None


def _field(name: str, value: str) -> Text:
    return Text.assemble((f"{name} ", "dim"), value)
