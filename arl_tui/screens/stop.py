"""Asks before the engine is stopped, and says what happens to what runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, TypeAlias

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from arl_tui.durations import span
from arl_tui.feed import Part, Snapshot
from arl_tui.remaining import seconds_left
from arl_tui.what_runs import running
from state.present import Live
from state.records import Epoch

Stop: TypeAlias = Literal["now", "after_current"]


class StopDialog(ModalScreen[Stop | None]):
    """How to stop the engine; None when it shall go on."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "choose('now')", "Now", id="stop.now"),
        Binding("a", "choose('after_current')", "After it", id="stop.after_current"),
        Binding("escape,c", "choose('')", "Cancel", id="stop.cancel"),
    ]

    def __init__(self, now: Snapshot) -> None:
        super().__init__()
        self._now = now

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = "Stop the engine?"
            yield Static("", id="what", markup=False)
            yield OptionList(id="choices", markup=False)

    def on_mount(self) -> None:
        choices = self.query_one(OptionList)
        choices.add_options(
            [
                Option("Cancel: the study goes on (escape)", id="cancel"),
                Option("Stop after the running experiment (a)", id="after_current"),
                Option("Stop now (n)", id="now"),
            ]
        )
        choices.highlighted = 0  # Enter by mistake stops nothing
        choices.focus()
        self._show()

    def follow(self, now: Snapshot, changed: frozenset[Part]) -> None:
        """Keep up with the experiment that runs meanwhile."""
        if changed & {"live", "engine", "reviews"}:
            self._now = now
            self._show()

    def _show(self) -> None:
        self.query_one("#what", Static).update("\n".join(what_stopping_does(self._now)))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.action_choose(event.option.id or "")

    def action_choose(self, choice: str) -> None:
        stops: dict[str, Stop] = {"now": "now", "after_current": "after_current"}
        self.dismiss(stops.get(choice))


def what_stopping_does(now: Snapshot) -> Iterator[str]:
    """Sentences on what becomes of the running experiments and of what is recorded."""
    runs = running(now)
    if not runs:
        yield "No experiment runs at the moment."
    for live in runs:
        yield f"#{live.experiment_id} {_doing(live)}."
    if runs:
        again = "it, and it runs" if len(runs) == 1 else "them, and they run"
        yield (
            f"Stopping now interrupts {again} again from the start when the study goes on. "
            f"Stopping afterwards waits {_wait(runs, now.status.epoch)}."
        )
    waiting = f", and {len(now.reviews)} still wait for your review" if now.reviews else ""
    yield f"Everything recorded stays: scores, vetoes, approvals and notes{waiting}."
    yield "`arl-tui run` goes on where it was."


def _doing(live: Live) -> str:
    if live.phase == "training":
        return f"has trained {live.progress:.0%} of its budget".replace("%", " %")
    return {"starting": "is starting up", "scoring": "has trained and is being scored"}[live.phase]


def _wait(live: Sequence[Live], epoch: Epoch | None) -> str:
    # Being scored takes less than what trains meanwhile.
    lasting = [one for one in live if one.phase != "scoring"] or live
    left = [seconds_left(one, epoch) for one in lasting]
    known = [seconds for seconds in left if seconds is not None]
    if len(known) < len(left):
        return "for its end" if len(live) == 1 else "for the last of them"
    return f"about {span(max(known))}, and for its score"
