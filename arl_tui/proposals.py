"""Candidates under review, as the review screen lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from arl_tui.durations import seconds_since, span
from arl_tui.feed import Snapshot
from arl_tui.what_runs import doing, running
from state.present import Review
from state.records import Json
from state.watch import Brief, Watcher

Standing: TypeAlias = Literal["pending", "sent", "approve"]


@dataclass(frozen=True)
class Proposal:
    """A candidate that waits for a person, whose verdict is on its way, or that is approved."""

    review: Review
    brief: Brief
    standing: Standing

    @property
    def id(self) -> int:
        return self.review.experiment_id

    @property
    def amended(self) -> bool:
        return self.review.proposed_sha is not None

    @property
    def standing_word(self) -> str:
        return {"pending": "waits", "sent": "sent", "approve": "approved"}[self.standing]

    def waits(self, now: datetime) -> str:
        """How long it has waited for a verdict; empty once there is one."""
        if self.standing != "pending":
            return ""
        return span(seconds_since(self.review.requested_at, now))

    def approved_in(self, now: datetime, auto_approve: float | None) -> str:
        """The time until the engine approves it by itself; empty when it will not."""
        if self.standing != "pending" or auto_approve is None:
            return ""
        return span(auto_approve - seconds_since(self.review.requested_at, now))


def approved(watcher: Watcher) -> list[tuple[Review, Brief]]:
    """The candidates that have been approved and have not begun."""
    reviews = {
        review.experiment_id: review
        for review in watcher.reviews(pending=False)
        if review.verdict == "approve"
    }
    briefs = watcher.briefs(list(reviews)) if reviews else []
    return [(reviews[brief.id], brief) for brief in briefs if brief.status == "queued"]


def waiting(now: Snapshot, sent: frozenset[int]) -> list[Proposal]:
    """The candidates that wait for a verdict; `sent` are those whose verdict is on its way."""
    return [
        Proposal(
            review,
            now.briefs[review.experiment_id],
            "sent" if review.experiment_id in sent else "pending",
        )
        for review in now.reviews
        if review.experiment_id < len(now.briefs)  # else it came between two queries
    ]


def auto_approve_seconds(settings: Json) -> float | None:
    """After how many seconds the engine approves by itself, or None when it does not."""
    table = settings.get("review") if isinstance(settings, dict) else None
    value = table.get("auto_approve_seconds") if isinstance(table, dict) else None
    return float(value) if isinstance(value, int | float) else None


def meanwhile(now: Snapshot, ready: Sequence[int]) -> tuple[str, bool]:
    """What the machine does meanwhile, and whether it waits for the person.

    `ready` are the experiments that need no verdict and have not begun.
    """
    machine = _machine(now)
    parts = [doing(live, share=True) for live in running(now)]
    if ready:
        parts.append(f"{len(ready)} ready to run")
    if parts:
        return f"The {machine} does not wait for you: {', '.join(parts)}", False
    if now.status.state == "running" and now.reviews:
        return f"The {machine} waits for you: nothing else is ready to run", True
    return "Nothing runs", False


def ready_to_run(now: Snapshot) -> list[int]:
    """The experiments that are queued or interrupted and wait for no verdict."""
    asked = {review.experiment_id for review in now.reviews}
    unfinished = ("queued", "interrupted")
    return [b.id for b in now.briefs if b.status in unfinished and b.id not in asked]


def _machine(now: Snapshot) -> str:
    panel = now.panels.get("slots")
    slots = panel.get("slots", ()) if isinstance(panel, dict) else ()
    devices = [str(slot.get("device", "")) for slot in slots if isinstance(slot, dict)]
    return "GPU" if any(device.startswith("cuda") for device in devices) else "machine"
