"""What runs, the one that trains first: while one experiment is scored, the next may train."""

from __future__ import annotations

from arl_tui.feed import Snapshot
from state.present import Live, Phase

_DOING: dict[Phase, str] = {"starting": "starts up", "training": "trains", "scoring": "is scored"}


def running(now: Snapshot) -> list[Live]:
    """What runs, as far as the snapshot knows the experiment: it may have begun since.

    What is only scored comes last: its device does something else already, or soon will.
    """
    known = [live for live in now.live if live.experiment_id < len(now.briefs)]
    return sorted(known, key=lambda live: (live.phase == "scoring", live.experiment_id))


def doing(live: Live, *, share: bool = False) -> str:
    """An experiment and what it does: `#12 trains`, with `share` also how far it is."""
    far = f", {100 * live.progress:.0f} %" if share and live.phase == "training" else ""
    return f"#{live.experiment_id} {_DOING[live.phase]}{far}"


def sentence(now: Snapshot, room: int) -> str:
    """What runs in at most so many columns, in as many words as fit; empty when none do."""
    runs = running(now)
    if not runs:
        return ""
    first, *others = (f"#{live.experiment_id}" for live in runs)
    ways = (
        ", ".join(map(doing, runs)),
        f"{first} +{others[0]}" if len(others) == 1 else "",
        f"{first} +{len(others)}" if others else first,
    )
    return next((text for text in ways if text and len(text) <= room), "")
