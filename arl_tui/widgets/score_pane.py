"""The score chart with its legend, the counts, and the picked experiment in words."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from arl_tui.feed import Snapshot
from arl_tui.output import one_line
from arl_tui.tables import STYLES, delta_cell
from arl_tui.what_runs import running
from arl_tui.widgets.flow import flow
from arl_tui.widgets.forecast import forecast_words
from arl_tui.widgets.marks import MARKS, RERUN, STYLE_OF_MARK, mark, mark_style
from arl_tui.widgets.plot import ABOVE
from arl_tui.widgets.score_chart import ScoreChart
from arl_tui.widgets.scores import BAND_SIGMAS
from arl_tui.widgets.tally import count
from state.metric import SELF_REPORTED, VAL_BPB, Metric
from state.present import Live
from state.watch import Brief


class ScorePane(Vertical):
    """Everything about the scores so far."""

    def __init__(self, title: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = self._title = title
        self.border_subtitle = "←→ pick  ⏎ open  + - zoom  0 all"
        self._now: Snapshot | None = None
        self._expected: object = None  # of what runs, as it is drawn

    def compose(self) -> ComposeResult:
        yield ScoreChart(id="chart")
        yield Static(id="empty", markup=False)
        yield Static(id="legend-line", markup=False)
        yield Static(id="counts", markup=False)
        yield Static(id="picked", markup=False)

    def show(self, now: Snapshot) -> None:
        """Show the study as it is now."""
        self._now = now
        self._expected = _expected(now)
        metric = Metric.of(now.status.study)
        if metric.self_reported:
            self.border_title = Content(f"{self._title}: {metric.title}, {SELF_REPORTED}")
        chart = self.query_one(ScoreChart)
        chart.show(now)
        sentence = nothing_yet(now)
        self.set_class(bool(sentence), "-empty")
        self.query_one("#empty", Static).update(Text(sentence, style="dim"))
        self._write()

    def follow(self, now: Snapshot) -> None:
        """Show the study if what is expected of that which runs has changed."""
        if _expected(now) != self._expected:
            self.show(now)

    def on_score_chart_moved(self, message: ScoreChart.Moved) -> None:
        message.stop()
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        now, width = self._now, self.content_size.width
        if now is None or not width:
            return
        picked = self.query_one(ScoreChart).picked
        self.query_one("#legend-line", Static).update(legend(now, width))
        self.query_one("#counts", Static).update(Text("\n").join(counts_lines(now, width)))
        live = next((one for one in now.live if one.experiment_id == picked), None)
        self.query_one("#picked", Static).update(
            Text()
            if picked is None
            else picked_lines(now.briefs[picked], width, live, Metric.of(now.status.study))
        )


def nothing_yet(now: Snapshot) -> str:
    """Why the chart is empty; an empty text when it is not."""
    status = now.status
    epoch = None if status.epoch is None else status.epoch.id
    own = [brief for brief in now.briefs if brief.epoch_id == epoch and brief.status != "queued"]
    if any(brief.val_bpb is not None or brief.status != "running" for brief in own):
        return ""
    if status.engine_pid is None:
        return "Nothing has run yet, and no engine runs. Start one with `arl-tui run`."
    if now.briefs and now.briefs[0].epoch_id != epoch:
        return "A new epoch: the baseline trains again, because older scores are not comparable."
    return "The baseline trains first: its score is what every candidate has to beat."


def counts_lines(now: Snapshot, width: int) -> list[Text]:
    """How many experiments ended how, each with its mark."""
    return flow(
        (
            Text.assemble((MARKS[status], mark_style(status)), f" {number} {status}")
            for status, number in count(now.briefs).items()
        ),
        width,
    )


def picked_lines(
    brief: Brief, width: int, live: Live | None = None, metric: Metric = VAL_BPB
) -> Text:
    """An experiment in two lines of at most so many columns; `live` is what it does, if it runs."""
    first = Text.assemble(
        (f"#{brief.id} ", "bold"),
        f"{brief.kind}  ",
        (f"{mark(brief.status, brief.kind)} {brief.status}", STYLES.get(brief.status, "")),
    )
    if brief.val_bpb is not None:
        first.append(f"  {metric.quantity(brief.val_bpb)}")
    if brief.delta is not None:
        first.append(f"  delta {delta_cell(brief, metric)}")
    if brief.wall_seconds is not None:
        first.append(f"  {brief.wall_seconds:.0f} s")
    if live is not None and live.forecast is not None:
        first.append(f"  {forecast_words(live, width - first.cell_len - 2, metric)}")
    summary, reason = one_line(brief.summary), one_line(brief.reason)
    second = Text(": ".join(part for part in (summary, reason) if part))
    for text in (first, second):
        if text.cell_len > width > 1:
            text.truncate(width, overflow="ellipsis")
    return Text("\n").join([first, second])


def older(now: Snapshot) -> int:
    """How many experiments are of earlier epochs: their scores are not comparable."""
    epoch = now.status.epoch
    return 0 if epoch is None else sum(brief.epoch_id != epoch.id for brief in now.briefs)


def legend(now: Snapshot, width: int) -> Text:
    """What the chart's signs mean, in one line: the last to matter drop out."""
    parts = [
        Text.assemble(("⠒⠒", "green"), " incumbent"),
        Text.assemble(("╌╌", "yellow"), " baseline"),
        Text.assemble(("░░", "bright_black"), f" ±{BAND_SIGMAS:.0f} sigma"),
        Text.assemble((RERUN, STYLE_OF_MARK[RERUN]), " re-run"),
        Text(f"{ABOVE} off the chart"),
    ]
    if _expected(now):
        parts.insert(2, Text.assemble(("┃═", "bold cyan"), " forecast, limit"))
    hidden = older(now)
    if hidden:
        parts.insert(0, Text(f"~ {hidden} of earlier epochs not shown", style="yellow"))
    return flow(parts, width)[0]


def _expected(now: Snapshot) -> list[tuple[object, ...]]:
    """What is drawn of the forecasts."""
    return [
        (
            one.experiment_id,
            one.phase == "scoring",
            one.forecast_low,
            one.forecast,
            one.forecast_high,
            one.threshold,
        )
        for one in running(now)
        if one.forecast is not None
    ]
