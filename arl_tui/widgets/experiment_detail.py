"""One experiment: what it did and how it ended, its loss curve, diff, log, source and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Sparkline, Static

from arl_tui.code_text import Line, plain_lines, source_lines
from arl_tui.detail import Detail, curve_line, head_lines
from arl_tui.tables import experiment_fields
from arl_tui.widgets.code_view import CodeView
from arl_tui.widgets.diff_view import DiffView
from state.records import Point

TABS = ("diff", "log", "source", "numbers")


def _log_lines(text: str, *, coloured: bool = True) -> list[Line]:
    return plain_lines(text)


class TabLine(Static):
    """The names of the tabs in one line; a press on one opens it."""

    def show(self, current: str) -> None:
        """Show which tab is open."""
        text = Text()
        for tab in TABS:  # brackets, because colour alone says nothing to some
            text.append(f"[{tab}]" if tab == current else f" {tab} ", "bold" * (tab == current))
            text.append(" ")
        self.update(text)

    def on_click(self, event: events.Click) -> None:
        left = 0
        for tab in TABS:
            left += len(tab) + 3
            if event.x < left:
                self.query_ancestor(ExperimentDetail).tab = tab
                return


class ExperimentDetail(Vertical):
    """Shows an experiment. Only the open tab is filled: lexing a source takes its time."""

    DEFAULT_CSS = """
    ExperimentDetail {
        & > #head { height: 5; padding: 0 1; }
        & > #curve-line { height: 1; padding: 0 1; color: $text-muted; }
        & > #curve { height: 2; margin: 0 1; }
        & > TabLine { height: 1; }
        & > ContentSwitcher { height: 1fr; }
        & .fields { padding: 0 1; height: auto; }
        & #numbers { scrollbar-size-vertical: 1; }
    }
    """
    tab: reactive[str] = reactive("diff", init=False)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.detail: Detail | None = None

    def compose(self) -> ComposeResult:
        yield Static("", id="head")
        yield Static("", id="curve-line")
        yield Sparkline([], id="curve", summary_function=lambda part: sum(part) / len(part))
        yield TabLine("")
        with ContentSwitcher(initial="diff"):
            yield DiffView(id="diff")
            yield CodeView(id="log")
            yield CodeView(id="source")
            with VerticalScroll(id="numbers"):
                yield Static("", classes="fields")

    def on_mount(self) -> None:
        self.query_one(TabLine).show(self.tab)
        self.show(None)

    def show(self, detail: Detail | None) -> None:
        """Show an experiment, or that there is none."""
        self.detail = detail
        head: Sequence[Text] = []
        if detail is not None:
            no_color = self.app.no_color
            head = head_lines(detail.experiment, no_color, detail.evaluation, detail.metric)
        # Heights are fixed, so that moving the cursor does not lay out the screen anew.
        self.query_one("#head", Static).update(Text("\n").join(head), layout=False)
        self.show_curve(detail.curve if detail else None)
        self._fill()

    def show_curve(self, curve: Sequence[Point] | None) -> None:
        """Show a loss curve; that of a running experiment grows."""
        self.query_one("#curve-line", Static).update(
            Text("" if curve is None else curve_line(curve)), layout=False
        )
        line = self.query_one(Sparkline)
        line.data = [loss for _, _, loss in curve or () if loss is not None]

    def turn(self, tabs: int) -> None:
        """Open another tab, so many to the right."""
        self.tab = TABS[(TABS.index(self.tab) + tabs) % len(TABS)]

    @property
    def shown_text(self) -> tuple[str, str]:
        """What the open tab is called, and its text as it is."""
        detail = self.detail
        if detail is None:
            return self.tab, ""
        numbers = experiment_fields(detail.experiment, detail.evaluation, detail.metric)
        fields = "".join(f"{line.plain}\n" for line in numbers)
        texts = {
            "diff": detail.experiment.diff,
            "log": detail.log,
            "source": detail.source,
            "numbers": fields,
        }
        return self.tab, texts[self.tab]

    @property
    def page(self) -> Widget:
        """What the open tab holds, to be focused."""
        return self.query_one(f"#{self.tab}")

    def watch_tab(self) -> None:
        focused = self.has_focus_within
        self.query_one(ContentSwitcher).current = self.tab
        self.query_one(TabLine).show(self.tab)
        self._fill()
        if focused:
            self.page.focus()

    def _fill(self) -> None:
        detail = self.detail
        if self.tab == "diff":
            kind = detail.experiment.kind if detail else ""
            empty = f"A {kind} edits nothing." if kind not in ("", "candidate") else "no edit"
            diff = detail.experiment.diff if detail else ""
            self.query_one("#diff", DiffView).show(diff, empty=empty if detail else "")
        elif self.tab == "log":
            view = self.query_one("#log", CodeView)
            if view.show_text(
                detail.log if detail else "", _log_lines, empty="It printed nothing."
            ):
                view.call_after_refresh(view.scroll_end, animate=False, x_axis=False)
        elif self.tab == "source":
            source = detail.source if detail else ""
            self.query_one("#source", CodeView).show_text(source, source_lines, empty="no source")
        elif detail is not None:
            fields = experiment_fields(detail.experiment, detail.evaluation, detail.metric)
            self.query_one(".fields", Static).update(Text("\n").join(fields))
