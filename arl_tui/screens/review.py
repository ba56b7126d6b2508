"""The review: candidates that wait for a person, each with its diff and its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from arl_tui.amending import amend
from arl_tui.feed import Part, Snapshot
from arl_tui.proposals import (
    Proposal,
    approved,
    auto_approve_seconds,
    meanwhile,
    ready_to_run,
    waiting,
)
from arl_tui.screens.note import NoteDialog
from arl_tui.widgets import review_list
from arl_tui.widgets.proposal_view import ProposalView
from arl_tui.widgets.review_list import ReviewList
from arl_tui.widgets.state_line import StateLine
from state.errors import StoreError
from state.present import Review
from state.watch import Brief

if TYPE_CHECKING:
    from typing import Literal

    from arl_tui.app import StudyApp

TICK_SECONDS = 1.0
LOW_BANDWIDTH_TICK_SECONDS = 20.0
_NOTED = Binding.Group("with note", compact=True)
_MATTERS: frozenset[Part] = frozenset(("reviews", "experiments", "engine"))


class ReviewQueue(Screen[object]):
    """The queue of candidates under review, and the selected one."""

    app: StudyApp
    CSS_PATH = "review.tcss"
    MARKS = review_list.MARKS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "decide('approve')", "Approve", id="review.approve"),
        Binding("v", "decide('veto')", "Veto", id="review.veto"),
        Binding(
            "A",
            "decide_with_note('approve')",
            "Approve with a note",
            id="review.approve_with_note",
            group=_NOTED,
        ),
        Binding(
            "V",
            "decide_with_note('veto')",
            "Veto with a note",
            id="review.veto_with_note",
            tooltip="Veto with a note, which becomes its reason",
            group=_NOTED,
        ),
        Binding(
            "e", "amend", "Edit", id="review.amend", tooltip="Edit the candidate in your $EDITOR"
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._now: Snapshot | None = None
        self._approved: list[tuple[Review, Brief]] = []
        self._sent: frozenset[int] = frozenset()
        self._notes: dict[int, str] = {}  # of verdicts that were refused

    def compose(self) -> ComposeResult:
        yield StateLine(id="state")
        yield Static("", id="work", markup=False)
        yield Static("", id="empty", markup=False)
        with Container(id="body"):
            yield ReviewList(id="queue")
            yield ProposalView(id="proposal")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(ReviewList).border_title = "To review"
        self.query_one(ReviewList).focus()
        low = self.app.low_bandwidth
        self.set_interval(LOW_BANDWIDTH_TICK_SECONDS if low else TICK_SECONDS, self._tick)

    def on_screen_resume(self) -> None:
        self.app.show_again()

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(ReviewList).roomy = event.size.width >= 110
        self._show()

    def follow(self, now: Snapshot, changed: frozenset[Part]) -> None:
        """Show what has changed."""
        self._now = now
        self._sent &= {review.experiment_id for review in now.reviews}
        self.query_one(StateLine).follow(now)
        self._show_work(now)
        if changed & _MATTERS:
            self._load()

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        try:
            self._approved = await self.app.read(approved)
        except StoreError as error:
            self.notify(str(error), severity="error", markup=False)
        self._show()
        await self._show_selected()

    def _tick(self) -> None:
        if self.is_current:
            self._show()

    def _show(self) -> None:
        """Show the queue as it is at this moment."""
        now = self._now
        if now is None:
            return
        proposals = waiting(now, self._sent)
        known = {p.id for p in proposals}
        proposals += [Proposal(r, b, "approve") for r, b in self._approved if b.id not in known]
        sentence = "" if proposals else _nothing(now)
        self.query_one("#body").display = bool(proposals)
        empty = self.query_one("#empty", Static)
        empty.display = not proposals
        empty.update(sentence)
        queue = self.query_one(ReviewList)
        had_timer = self._timer()
        queue.show(proposals, self.app.now(), self._auto_approve())
        if had_timer:
            self._select()

    def _show_work(self, now: Snapshot) -> None:
        line = self.query_one("#work", Static)
        if now.status.engine_pid is None:
            waits = "verdicts cannot be given; start it with arl-tui run"
            line.update(f"No engine runs: {waits}" if now.reviews else "")
            line.set_class(bool(now.reviews), "-warning")
            return
        sentence, alarming = meanwhile(now, ready_to_run(now))
        line.update(sentence)
        line.set_class(alarming, "-warning")

    def on_review_list_selected(self) -> None:
        self._select()

    @work(group="selected", exclusive=True)
    async def _select(self) -> None:
        await self._show_selected()

    async def _show_selected(self) -> None:
        proposal = self.query_one(ReviewList).selected
        if proposal is None or self._now is None:
            return
        try:
            experiment = await self.app.read(lambda watcher: watcher.experiment(proposal.id))
        except StoreError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if proposal != self.query_one(ReviewList).selected:
            return  # the cursor has gone on meanwhile
        best_id = self._now.status.best_id
        self.query_one(ProposalView).show(proposal, experiment, best_id, self._timer())

    def _auto_approve(self) -> float | None:
        return None if self._now is None else auto_approve_seconds(self._now.status.study.settings)

    def _timer(self) -> str:
        proposal = self.query_one(ReviewList).selected
        return (
            "" if proposal is None else proposal.approved_in(self.app.now(), self._auto_approve())
        )

    def action_decide(self, verdict: Literal["approve", "veto"]) -> None:
        proposal = self._deciding(verdict)
        if proposal is not None:
            self._decide(proposal, verdict, "")

    def action_decide_with_note(self, verdict: Literal["approve", "veto"]) -> None:
        proposal = self._deciding(verdict)
        if proposal is None:
            return

        def decide(note: str | None) -> None:
            if note is not None:
                self._decide(proposal, verdict, note)

        placeholder = "why not?" if verdict == "veto" else "a note for the record"
        dialog = NoteDialog(
            f"{verdict.capitalize()} #{proposal.id} with a note",
            proposal.brief.summary,
            placeholder,
            self._notes.get(proposal.id, ""),
        )
        self.app.push_screen(dialog, decide)

    def _deciding(self, verdict: Literal["approve", "veto", "amend"]) -> Proposal | None:
        """The selected candidate, if it can be decided about."""
        proposal = self.query_one(ReviewList).selected
        if proposal is None:
            self.notify("Nothing waits for a review.")
            return None
        if proposal.standing == "approve" and verdict != "veto":
            self.notify(f"#{proposal.id} is approved already.")
            return None
        return None if proposal.standing == "sent" else proposal

    def _decide(self, proposal: Proposal, verdict: Literal["approve", "veto"], note: str) -> None:
        """Send a verdict, and go on to the next candidate without waiting for the engine."""
        self._sent |= {proposal.id}
        self.query_one(ReviewList).select_next_pending()
        self._show()
        self._send(proposal.id, verdict, note)

    @work(group="verdicts")
    async def _send(
        self, experiment_id: int, verdict: Literal["approve", "veto"], note: str
    ) -> None:
        reply = await self.app.order(verdict, experiment_id=experiment_id, note=note)
        if reply is not None and reply.ok:
            self._notes.pop(experiment_id, None)
            return
        if note:
            self._notes[experiment_id] = note  # to be offered again
        self._sent -= {experiment_id}
        self._show()

    @work(group="amend")
    async def action_amend(self) -> None:
        proposal = self._deciding("amend")
        if proposal is not None:
            await amend(self.app, proposal.id)


def _nothing(now: Snapshot) -> Content:
    """Why the queue is empty."""
    if now.status.engine_pid is None:
        return Content(
            "Nothing waits for review, and no engine runs: verdicts cannot be given.\n"
            "Start it with arl-tui run."
        )
    if not now.status.study.supervised:
        return Content(
            "This study is not supervised: every edit runs by itself.\n"
            "Press s to review each edit before it runs."
        )
    return Content(
        "Nothing waits for review.\nThe next edit appears here as soon as the policy proposes it."
    )
