"""One candidate under review: its diff, and what the policy says about it."""

from __future__ import annotations

import math
import re

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from arl_tui.output import one_line
from arl_tui.proposals import Proposal
from arl_tui.widgets.diff_view import DiffView
from state.records import Experiment


class ProposalView(Vertical):
    """What a person needs in order to decide."""

    def compose(self) -> ComposeResult:
        yield Static("", id="facts", markup=False)
        yield DiffView(id="diff")

    def show(
        self, proposal: Proposal, experiment: Experiment, best_id: int | None, timer: str
    ) -> None:
        """Show a candidate; `timer` is the time until it is approved by itself, if it will be."""
        facts = self.query_one("#facts", Static)
        facts.update(Content("\n").join(_facts(proposal, experiment, best_id, timer)))
        key = (experiment.id, experiment.source_sha)
        if key != getattr(self, "_key", None):  # scrolling stays where it is otherwise
            self._key = key
            self.query_one(DiffView).show(experiment.diff, empty="It changes nothing.")


def _facts(p: Proposal, e: Experiment, best_id: int | None, timer: str) -> list[Content]:
    lines = [Content.styled(one_line(e.summary) or "no summary", "bold")]
    origin = [f"#{e.id}"]
    if e.parent_id is not None:
        origin.append(f"from #{e.parent_id}")
    if e.policy is not None:
        origin.append(f"by {one_line(e.policy)}")
    about = Content(" ".join(origin))
    if e.log_prob is not None:
        about = Content.assemble(about, f", probability {math.exp(e.log_prob):.2g}")
    lines.append(about)
    why = _reason(e)
    if why:
        lines.append(Content.assemble(("why  ", "$text-muted"), why))
    if p.amended:
        lines.append(Content.styled("amended by a person: nobody sampled it", "$text-accent"))
    if e.parent_id is not None and best_id is not None and e.parent_id != best_id:
        hint = f"its parent is no longer the incumbent: #{best_id} is"
        lines.append(Content.styled(hint, "$text-warning"))
    if timer:
        lines.append(Content.styled(f"approved in {timer} unless you decide", "$text-warning"))
    if p.standing == "sent":
        lines.append(Content("your verdict is on its way"))
    elif p.standing == "approve":
        by = {"timer": " by the timer", "unsupervised": " without a review"}
        lines.append(Content(f"approved{by.get(p.review.decided_by, '')}, and not yet begun"))
        if p.review.note:
            lines.append(Content.assemble(("note  ", "$text-muted"), one_line(p.review.note)))
    return lines


def _reason(e: Experiment) -> str:
    """What the policy says beyond the summary and the probability, which are shown already."""
    why = e.why.removeprefix(e.summary)
    return one_line(re.sub(r"^\s*\(probability [^)]*\)", "", why))
