"""What runs now: its progress, loss curve and forecast, what it has spent of its budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from arl_tui.durations import seconds_since
from arl_tui.feed import Snapshot
from arl_tui.output import one_line
from arl_tui.what_runs import running
from arl_tui.widgets.bars import bar
from arl_tui.widgets.forecast import forecast_gauge, forecast_words, no_forecast_words
from arl_tui.widgets.loss_curve import LossCurve
from state.metric import Metric
from state.present import Live
from state.records import Epoch, Point

_LONGEST_BAR = 30
_SHORTEST_GAUGE = 10


class RunPanel(Vertical, can_focus=True):
    """The running experiments in a line each, and the curve of the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "choose(-1)", "Other run", id="run.previous", show=False),
        Binding("right_square_bracket", "choose(1)", "Other run", id="run.next", show=False),
    ]

    @dataclass
    class Chosen(Message):
        """Another running experiment is looked at, or none."""

        experiment_id: int | None

    def __init__(self, title: str, clock: Callable[[], datetime], id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._clock = clock
        self._now: Snapshot | None = None
        self._chosen: int | None = None
        self._reference: Sequence[Point] = ()
        self._reference_name = ""
        self._drawn: object = None  # what the curve shows
        self._shown: Text | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="runs", markup=False)
        yield LossCurve(id="curve")

    @property
    def chosen(self) -> int | None:
        """The id of the experiment that is looked at; None when nothing runs."""
        ids = self._ids()
        return self._chosen if self._chosen in ids else (ids[0] if ids else None)

    def show(self, now: Snapshot) -> None:
        """Show the study as it is now."""
        before, self._now = self.chosen, now
        self._draw()
        if self.chosen != before:
            self.post_message(self.Chosen(self.chosen))

    def compare(self, reference: Sequence[Point], name: str) -> None:
        """Draw another experiment's curve behind the chosen one's."""
        self._reference, self._reference_name = reference, name
        self._draw()

    def tick(self) -> None:
        """Count the seconds of a phase that says nothing while it lasts."""
        self._write()

    def action_choose(self, step: int) -> None:
        ids = self._ids()
        if self.chosen is not None:
            at = (ids.index(self.chosen) + step) % len(ids)
            self._chosen = ids[at]
            self._draw()
            self.post_message(self.Chosen(self._chosen))

    def _ids(self) -> list[int]:
        return [] if self._now is None else [one.experiment_id for one in running(self._now)]

    def on_resize(self) -> None:
        self._write()

    def _draw(self) -> None:
        now = self._now
        if now is None:
            return
        points = () if self.chosen is None else now.curves.get(self.chosen, ())
        nothing = not points and not self._reference
        self.set_class(nothing, "-empty")
        epoch = now.status.epoch
        # A report that moves the curve by less than a column is not worth sending over the line.
        column = int(points[-1][0] * max(self.content_size.width, 1)) if points else -1
        drawn = (self.chosen, self._reference_name, len(self._reference), column)
        if not nothing and epoch is not None and drawn != self._drawn:
            self._drawn = drawn
            curve = self.query_one(LossCurve)
            # Whoever prints its own score counts its loss in whatever it likes.
            unit = "loss" if now.status.study.target_kind == "command" else "nats"
            reference = self._reference, self._reference_name
            curve.show(points, epoch.budget, epoch.clock, *reference, unit=unit)
        self._write()

    def _write(self) -> None:
        width = self.content_size.width
        if self._now is None or not width:
            return
        lines = run_lines(self._now, self.chosen, self._clock(), width)
        text = Text("\n").join(lines)
        if text != self._shown:
            self._shown = text
            self.query_one("#runs", Static).update(text)


def run_lines(now: Snapshot, chosen: int | None, at: datetime, width: int) -> list[Text]:
    """The running experiments, or why none runs."""
    runs = running(now)
    if not runs or now.status.epoch is None:
        return [Text(idle(now), style="dim")]
    lines = []
    many = len(runs) > 1
    for live in runs:
        pointer = ("▸ " if live.experiment_id == chosen else "  ") if many else ""
        lines.append(
            Text(pointer, no_wrap=True).append_text(_line(now, live, at, width - len(pointer)))
        )
        if live.experiment_id == chosen:
            summary = one_line(now.briefs[live.experiment_id].summary)
            details = Text(" " * len(pointer) + "  ".join([*_speed(live), summary]), style="dim")
            details.truncate(width, overflow="ellipsis")
            lines.append(details)
            lines += _forecast(now, live, len(pointer), width)
    return lines


def idle(now: Snapshot) -> str:
    """Why nothing runs."""
    status = now.status
    if status.engine_pid is None:
        why = f" ({one_line(status.reason)})" if status.reason else ""
        return f"No engine runs: history only. The study is {status.state}{why}."
    if status.state == "paused":
        return "The study is paused: nothing new starts until it is resumed."
    if any(brief.status == "running" for brief in now.briefs):
        return "An experiment is being started."
    if now.reviews:
        return "Nothing runs: a proposal waits for your review."
    return "Nothing runs at this moment."


def _line(now: Snapshot, live: Live, at: datetime, width: int) -> Text:
    epoch = now.status.epoch
    assert epoch is not None
    head = f"#{live.experiment_id} {now.briefs[live.experiment_id].kind}  {live.phase}"
    spent = _spent(live, epoch, at)
    room = min(width - len(head) - len(spent) - 4, _LONGEST_BAR)
    line = Text(head, style="bold cyan")
    if room >= 6:
        line.append("  ").append(bar(live.progress, room), "not bold cyan")
    line.append(f"  {spent}", "not bold default")
    line.truncate(width, overflow="ellipsis")
    return line


def _forecast(now: Snapshot, live: Live, indent: int, width: int) -> list[Text]:
    """What it will probably score, on a scale of its own where there is room; or why not yet."""
    words = forecast_words(live, width - indent, Metric.of(now.status.study))
    if not words:
        why = no_forecast_words(live, now.panels.get("selfeval"))
        return [Text(" " * indent + why, style="dim", no_wrap=True)] if why else []
    line = Text(" " * indent + words, no_wrap=True)
    room = min(width - line.cell_len - 2, _LONGEST_BAR)
    if room >= _SHORTEST_GAUGE:
        line.append("  ").append(forecast_gauge(live, room), "cyan")
    line.truncate(width, overflow="ellipsis")
    return [line]


def _spent(live: Live, epoch: Epoch, at: datetime) -> str:
    if live.phase != "training":
        return f"for {seconds_since(live.phase_since, at):.0f} s"
    unit = {"wall": "s", "cpu": "s of CPU", "steps": "steps"}[epoch.clock]
    return f"{live.progress * epoch.budget:.0f} of {epoch.budget:g} {unit}"


def _speed(live: Live) -> list[str]:
    parts = []
    if live.loss is not None:
        parts.append(f"loss {live.loss:.3f}")
    if live.step:
        parts.append(f"step {live.step}")
    if live.steps_per_second is not None:
        parts.append(f"{live.steps_per_second:.3g} steps/s")
    return parts
