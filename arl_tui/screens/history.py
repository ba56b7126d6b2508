"""The history: every experiment, its diff, and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from arl_tui.comparison import compare
from arl_tui.detail import read_detail
from arl_tui.feed import Part, Snapshot
from arl_tui.filters import Filter, FilterError, parse
from arl_tui.latest import Latest
from arl_tui.listing import ORDERS, Listing, Order, highest_first
from arl_tui.screens.history_words import copied, empty_line, title_line
from arl_tui.screens.source_writing import SourceWriting
from arl_tui.widgets.comparison_view import ComparisonView
from arl_tui.widgets.experiment_detail import ExperimentDetail
from arl_tui.widgets.experiment_table import ExperimentTable
from arl_tui.widgets.prompt import Prompt
from arl_tui.widgets.state_line import StateLine
from state.errors import StoreError
from state.metric import VAL_BPB, Metric
from state.watch import Brief, Watcher

if TYPE_CHECKING:
    from arl_tui.app import StudyApp

T = TypeVar("T")


class History(Screen[object]):
    """Every experiment in a table, with the one under the cursor beside it where there is room."""

    CSS_PATH = "history.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="history.filter"),
        Binding("t", "sort", "Sort", id="history.sort"),
        Binding("T", "reverse", "Reverse", show=False, id="history.reverse"),
        Binding("m", "mark", "Mark", id="history.mark"),
        Binding("c", "compare", "Compare", id="history.compare"),
        Binding("b", "best", "Best", tooltip="From the baseline to the best", id="history.best"),
        Binding("y", "copy", "Copy", id="history.copy"),
        Binding("o", "write", "Write", tooltip="Write the source to a file", id="history.write"),
        Binding("left_square_bracket", "tab(-1)", "Tab", show=False, id="history.previous_tab"),
        Binding("right_square_bracket", "tab(1)", "Tab", id="history.next_tab"),
        Binding("n", "step(1)", "Next", show=False, id="history.next"),
        Binding("p", "step(-1)", "Previous", show=False, id="history.previous"),
        Binding(
            "e",
            "app.prior_results",
            "Earlier",
            show=False,
            id="history.earlier",
            tooltip="What was tried before this study",
        ),
        Binding("escape", "back", "Back", show=False, id="history.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.listing = Listing()
        self.filter_text = ""
        self._now: Snapshot | None = None
        self._searched = 0  # how many experiments the filter's texts have been looked for in
        self._wanted: int | None = None  # to be opened as soon as it is listed
        self._loaded: Brief | None = None
        self._details = Latest(self._load)
        self._searches = Latest(self._search)
        self._writing = SourceWriting(self)

    def compose(self) -> ComposeResult:
        yield StateLine()
        yield Static("", id="title")
        with Horizontal(id="body"):
            yield ExperimentTable(id="table")
            with Vertical(id="side"):
                yield ExperimentDetail(id="detail")
                yield ComparisonView(id="comparison")
        yield Prompt()
        yield Footer()

    def on_screen_resume(self) -> None:
        self.study_app.show_again()

    @property
    def study_app(self) -> StudyApp:
        """The app, which knows the study."""
        return cast("StudyApp", self.app)

    @property
    def _metric(self) -> Metric:
        return VAL_BPB if self._now is None else Metric.of(self._now.status.study)

    @property
    def table(self) -> ExperimentTable:
        """The table of experiments."""
        return self.query_one(ExperimentTable)

    @property
    def detail(self) -> ExperimentDetail:
        """The experiment under the cursor."""
        return self.query_one(ExperimentDetail)

    def follow(self, now: Snapshot, changed: frozenset[Part]) -> None:
        """Show what has changed in the study."""
        self._now = now
        self.query_one(StateLine).follow(now)
        if changed & {"experiments", "engine"}:
            texts = self.listing.filter.texts
            if texts and len(now.briefs) > self._searched:
                self.run_worker(self._searches.ask((self.filter_text, self.listing.filter)))
            else:
                self._list()
        shown = self.detail.detail
        if "live" in changed and shown is not None and shown.experiment.id in now.curves:
            self.detail.show_curve(now.curves[shown.experiment.id])
        if self._wanted is not None:
            self._open(self._wanted)

    def open_experiment(self, experiment_id: int) -> None:
        """Put the cursor on an experiment and show it, even if the filter leaves it out."""
        self._wanted = experiment_id
        if self._now is not None:  # else the first `follow` does it
            self._open(experiment_id)

    def action_open(self) -> None:
        """Show the experiment under the cursor, and read on there."""
        if self.table.current is not None:
            self.add_class("-detail")
            self.detail.page.focus()

    def action_back(self) -> None:
        """Leave what was opened last: a comparison, an experiment, the filter."""
        if self.has_class("-comparing"):
            self.remove_class("-comparing")
            (self.detail.page if self.has_class("-detail") else self.table).focus()
        elif not self.table.has_focus:
            self.remove_class("-detail")
            self.table.focus()
        elif self.filter_text:
            self._restrict("", Filter())
            self._list()

    def action_filter(self) -> None:
        """Ask for a filter."""
        score = "bpb<0.98" if self._metric.is_bpb else "score>0.9"
        question = f'List only, for example: keep  failed  {score}  #12  -sentinel  "two words"'
        self.query_one(Prompt).ask("filter", question, self.filter_text)

    def action_sort(self) -> None:
        """Sort by the next column."""
        order = ORDERS[(ORDERS.index(self.listing.order) + 1) % len(ORDERS)]
        self._sort(order, highest_first(order, self._metric))

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._sort(self.listing.order, not self.listing.reverse)

    def action_step(self, rows: int) -> None:
        """Move the cursor, wherever the focus is."""
        self.table.action_move(rows)

    def action_tab(self, tabs: int) -> None:
        """Open another tab."""
        self.detail.turn(tabs)

    def action_mark(self) -> None:
        """Mark the experiment under the cursor, to compare others with it; again: unmark it."""
        current = self.table.current
        if current is not None:
            self.table.marked_id = None if self.table.marked_id == current.id else current.id
            self.table.refresh()
            self._title()

    async def action_compare(self) -> None:
        """Compare the marked experiment with the one under the cursor."""
        current, marked = self.table.current, self.table.marked_id
        if marked is None or current is None:
            self.notify("Mark an experiment first: go to it and press m.", severity="warning")
        elif marked == current.id:
            self.notify(f"#{marked} is marked: go to another one to compare.", severity="warning")
        else:
            await self._compare(marked, current.id, f"#{marked} → #{current.id}")

    async def action_best(self) -> None:
        """Show the way from the baseline to the best as one diff."""
        if self._now is None or not self._now.incumbents:
            self.notify(
                "There is no best experiment yet: the baseline has not been scored.",
                severity="warning",
            )
            return
        best = self._now.incumbents[-1].experiment_id
        await self._compare(0, best, f"baseline → best (#{best})")

    def action_copy(self) -> None:
        """Copy what is shown to the clipboard of the terminal."""
        comparison = self.query_one(ComparisonView).comparison
        if self.has_class("-comparing") and comparison is not None:
            name, text = "diff", comparison.diff
        else:
            name, text = self.detail.shown_text
            if self.detail.detail is not None:  # the cursor may already be elsewhere
                name += f" of #{self.detail.detail.experiment.id}"
        if text:
            # A lone surrogate has no bytes in UTF-8.
            self.app.copy_to_clipboard(text.encode("utf-8", "replace").decode())
        self.notify(copied(name, text), severity="information" if text else "warning")

    def action_write(self) -> None:
        """Ask for a file, and write the source of the shown experiment to it."""
        comparison = self.query_one(ComparisonView).comparison
        if self.has_class("-comparing") and comparison is not None:
            self._writing.ask(comparison.end.id, comparison.source)
        elif self.detail.detail is not None:
            self._writing.ask(self.detail.detail.experiment.id, self.detail.detail.source)

    async def read(self, query: Callable[[Watcher], T]) -> T | None:
        """What a query finds; None when the study cannot be read, which is then shown."""
        try:
            return await self.study_app.read(query)
        except StoreError as error:
            self.notify(str(error), severity="error", markup=False)
            return None

    @on(ExperimentTable.Selected)
    def _selected(self) -> None:
        self.action_open()

    @on(ExperimentTable.HeaderPressed)
    def _header_pressed(self, event: ExperimentTable.HeaderPressed) -> None:
        if event.order == self.listing.order:
            self.action_reverse()
        else:
            self._sort(event.order, highest_first(event.order, self._metric))

    @on(ExperimentTable.Moved)
    def _moved(self, event: ExperimentTable.Moved) -> None:
        if event.brief is None:
            self._loaded = None
            self.detail.show(None)
        elif event.brief is not self._loaded:
            self.run_worker(self._details.ask(event.brief))

    @on(Prompt.Answered)
    async def _answered(self, event: Prompt.Answered) -> None:
        prompt = self.query_one(Prompt)
        if event.purpose == "write":
            await self._writing.answer(event.text)
            return
        try:
            chosen = parse(event.text, self._metric)
        except FilterError as error:
            prompt.complain(str(error))
            return
        prompt.close()
        self.run_worker(self._searches.ask((" ".join(event.text.split()), chosen)))

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        if not self.has_class("-comparing"):
            (self.detail.page if self.has_class("-detail") else self.table).focus()

    async def _search(self, request: tuple[str, Filter]) -> None:
        """Look for a filter's texts where they have not been looked for yet, then list anew."""
        text, chosen = request
        again = chosen is self.listing.filter
        after = self._searched - 1 if again else -1
        until = len(self._now.briefs) if self._now else 0
        found = await self.read(
            lambda watcher: {text: watcher.with_text(text, after) for text in chosen.texts}
        )
        if found is None:
            return
        if again:
            for part, ids in found.items():
                ids.update(self.listing.found[part])
        self._searched = until
        self._restrict(text, chosen, found)
        self._list()

    def _open(self, experiment_id: int) -> None:
        self._wanted = None
        self.remove_class("-comparing")
        if self.listing.index(experiment_id) is None:
            self._restrict("", Filter())
            self._list()
        row = self.listing.index(experiment_id)
        if row is not None:
            self.table.cursor = row
            self.action_open()

    async def _load(self, brief: Brief) -> None:
        """Show an experiment once it has been read."""
        found = await self.read(lambda watcher: read_detail(watcher, brief.id))
        current = self.table.current
        if found is not None and current is not None and current.id == brief.id:
            self._loaded = brief
            self.detail.show(found)

    async def _compare(self, start: int, end: int, title: str) -> None:
        found = await self.read(lambda watcher: compare(watcher, start, end))
        if found is not None:
            view = self.query_one(ComparisonView)
            view.show(found, title)
            self.add_class("-comparing")
            view.page.focus()

    def _sort(self, order: Order, reverse: bool) -> None:
        self.listing.choose(order, reverse=reverse)
        self._list()
        self.table.action_move_to(0)  # who sorts wants to see the first

    def _restrict(self, text: str, to: Filter, found: dict[str, set[int]] | None = None) -> None:
        self.filter_text = text
        self.listing.restrict(to, found or {})

    def _list(self) -> None:
        """Show the rows as they are now, with the cursor where it was."""
        now, table, listing = self._now, self.table, self.listing
        if now is None:
            return
        current = table.current
        listing.update(now.briefs)
        table.best_id = now.incumbents[-1].experiment_id if now.incumbents else None
        table.epoch_id = now.status.epoch.id if now.status.epoch else None
        table.count_in(self._metric)
        table.order, table.reverse = listing.order, listing.reverse
        table.empty = empty_line(now, self.filter_text)
        row = None if current is None else listing.index(current.id)
        table.show(listing.rows, row)
        self._title()

    def _title(self) -> None:
        if self._now is not None:
            text = title_line(self._now, self.listing, self.filter_text, self.table.marked_id)
            self.query_one("#title", Static).update(Content(text))
