"""The dashboard: what the study has found, and what runs now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from arl_tui.feed import Part, Snapshot
from arl_tui.widgets.devices import Devices
from arl_tui.widgets.diff_view import DiffView
from arl_tui.widgets.headline import Headline
from arl_tui.widgets.oracle_panel import OraclePanel
from arl_tui.widgets.pane_strip import PaneStrip
from arl_tui.widgets.policy_panel import PolicyPanel
from arl_tui.widgets.run_panel import RunPanel
from arl_tui.widgets.score_chart import ScoreChart
from arl_tui.widgets.score_pane import ScorePane
from arl_tui.widgets.selfeval_panel import SelfevalPanel
from state.errors import StoreError
from state.records import Experiment, Point
from state.watch import Watcher

if TYPE_CHECKING:
    from arl_tui.app import StudyApp

PANES = ("scores", "run", "diff", "devices", "policy", "oracle", "selfeval")
_NAMES = ("Chart", "Run", "Diff", "Devices", "Policy", "Oracle", "Self-eval")
_TICK_SECONDS = 1.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Dashboard(Screen[object]):
    """Seven panes: all at once where there is room, else one at a time."""

    CSS_PATH = "dashboard.tcss"
    AUTO_FOCUS = "#chart"
    MARKS = (
        ("━╋━ ┃", "where the score of what runs will probably be"),
        ("║ ═", "the worst score that is worth finishing"),
    )
    VERTICAL_BREAKPOINTS = [(0, "-low"), (34, "-high"), (40, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next_pane(1)", "Pane", id="dashboard.next_pane"),
        Binding("shift+tab", "next_pane(-1)", "Last pane", id="dashboard.last_pane", show=False),
        *(
            Binding(f"{number + 1}", f"pane({number})", name, id=f"dashboard.{pane}", show=False)
            for number, (pane, name) in enumerate(zip(PANES, _NAMES, strict=True))
        ),
    ]

    def __init__(self, clock: Callable[[], datetime] = _utc_now) -> None:
        super().__init__()
        self._clock = clock
        self._pane = 0
        self._now: Snapshot | None = None
        self._best: int | None = None
        self._diff_of: int | None = None

    def compose(self) -> ComposeResult:
        titles = [f"{number + 1} {name}" for number, name in enumerate(_NAMES)]
        yield Headline(id="headline")
        yield PaneStrip(_NAMES, id="strip")
        diff = DiffView(id="diff", classes="pane")
        diff.border_title = titles[2]
        with Horizontal(id="panes"):
            with Vertical(id="left", classes="column"):
                yield ScorePane(titles[0], id="scores")
                yield RunPanel(titles[1], self._clock, id="run")
                yield SelfevalPanel(titles[6], id="selfeval")
            with Vertical(id="right", classes="column"):
                yield diff
                yield Devices(titles[3], id="devices")
                yield PolicyPanel(titles[4], id="policy")
                yield OraclePanel(titles[5], id="oracle")
        yield Footer()

    def on_mount(self) -> None:
        for pane in PANES:
            self.query_one(f"#{pane}").add_class("pane")
        self._mark_shown()
        self.set_interval(_TICK_SECONDS, self.query_one(RunPanel).tick)

    def on_screen_resume(self) -> None:
        self._study_app.show_again()

    def follow(self, now: Snapshot, changed: frozenset[Part]) -> None:
        """Bring what has changed up to date."""
        self._now = now
        if changed & {"engine", "experiments"}:
            self.query_one(ScorePane).show(now)
        elif "live" in changed:
            self.query_one(ScorePane).follow(now)
        if changed & {"engine", "experiments", "live"}:
            self.query_one(Headline).show(now)
            self.query_one(PaneStrip).follow(now)
        if changed & {"engine", "experiments", "live", "reviews", "panels"}:
            self.query_one(RunPanel).show(now)
        if changed & {"devices", "panels", "engine"}:
            slots, busy = now.panels.get("slots"), now.status.contention
            self.query_one(Devices).show(now.samples, slots, busy or "")
        if "panels" in changed:
            self.query_one(PolicyPanel).show(now.panels.get("policy"))
            self.query_one(OraclePanel).show(now.panels.get("oracle"))
            self.query_one(SelfevalPanel).show(now.panels.get("selfeval"))
        self._look_up()

    def action_next_pane(self, step: int) -> None:
        self.action_pane((self._pane + step) % len(PANES))

    def action_pane(self, number: int) -> None:
        self._pane = number
        self._mark_shown()
        pane = self.query_one(f"#{PANES[number]}")
        focusable: Widget = self.query_one("#chart") if number == 0 else pane
        # A pane that was hidden until now can be focused once it has been laid out.
        self.call_after_refresh(focusable.focus)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        for ancestor in event.widget.ancestors_with_self:
            if ancestor.id in PANES:
                number = PANES.index(ancestor.id)
                if number != self._pane:
                    self._pane = number
                    self._mark_shown()
                return

    def on_pane_strip_asked(self, message: PaneStrip.Asked) -> None:
        self.action_pane(message.number)

    def on_score_chart_picked(self, message: ScoreChart.Picked) -> None:
        self._study_app.open_experiment(message.experiment_id)

    def on_run_panel_chosen(self, message: RunPanel.Chosen) -> None:
        self._look_up()

    @property
    def _study_app(self) -> StudyApp:
        return cast("StudyApp", self.app)

    def _mark_shown(self) -> None:
        for number, pane in enumerate(PANES):
            self.query_one(f"#{pane}").set_class(number == self._pane, "-shown")
        for column in self.query(".column"):
            column.set_class(bool(column.query(".pane.-shown")), "-shown")
        self.query_one(PaneStrip).show(self._pane)

    def _look_up(self) -> None:
        """Read what the snapshot does not hold, when it is about another experiment than before."""
        now = self._now
        if now is None:
            return
        chosen = self.query_one(RunPanel).chosen
        wanted = now.status.best_id if chosen is None else chosen
        if wanted != self._diff_of:
            self._diff_of = wanted
            self.run_worker(self._show_diff(wanted), group="diff", exclusive=True)
        if now.status.best_id != self._best:
            self._best = now.status.best_id
            self.run_worker(self._show_best_curve(self._best), group="best", exclusive=True)

    async def _show_diff(self, experiment_id: int | None) -> None:
        pane, title = self.query_one(DiffView), f"{PANES.index('diff') + 1} Diff"
        if experiment_id is None:
            pane.show("", empty="Nothing has been edited yet.")
            pane.border_title = title
            return
        try:
            experiment = await self._study_app.read(lambda w: w.experiment(experiment_id))
        except StoreError:
            return
        pane.show(experiment.diff, empty=_no_edit(experiment))
        of = "what runs" if experiment.status == "running" else "the best"
        pane.border_title = f"{title} of {of}, #{experiment_id}"

    async def _show_best_curve(self, experiment_id: int | None) -> None:
        points: Sequence[Point] = ()
        if experiment_id is not None:

            def query(watcher: Watcher) -> Sequence[Point]:
                return watcher.curve(experiment_id)

            try:
                points = await self._study_app.read(query)
            except StoreError:
                return
        self.query_one(RunPanel).compare(points, f"#{experiment_id}, the best")


def _no_edit(experiment: Experiment) -> str:
    return f"No edit: #{experiment.id} is a {experiment.kind}."
