"""What the history screen says in words."""

from __future__ import annotations

from arl_tui.feed import Snapshot
from arl_tui.listing import BY_SCORE, Listing, Order
from arl_tui.output import printable
from state.metric import SELF_REPORTED, Metric

_OFTEN_REFUSED = 74_994  # bytes that every terminal with OSC 52 takes

_FIRST: dict[Order, tuple[str, str]] = {
    "id": ("oldest first", "newest first"),
    "status": ("by status", "by status, reversed"),
    "bpb": ("best score first", "worst score first"),
    "delta": ("best delta first", "worst delta first"),
    "seconds": ("shortest first", "longest first"),
    "edit": ("by edit", "by edit, reversed"),
}


def title_line(now: Snapshot, listing: Listing, filter_text: str, marked: int | None) -> str:
    """How many experiments are listed, in which order, and what is marked."""
    total, shown = len(now.briefs), len(listing.rows)
    text = f"{shown:,} of {total:,} match {filter_text}" if filter_text else _experiments(total)
    metric = Metric.of(now.status.study)
    backwards = listing.order in BY_SCORE and metric.direction == "max"
    parts = [printable(text), _FIRST[listing.order][listing.reverse != backwards]]
    if marked is not None:
        parts.append(f"#{marked} marked")
    if now.status.engine_pid is None:
        parts.append("no engine runs")
    if metric.self_reported:
        parts.append(f"{metric.title} is {SELF_REPORTED}")
    return " · ".join(parts)


def empty_line(now: Snapshot, filter_text: str) -> str:
    """Why the table has no rows."""
    if now.briefs:
        return printable(f" Nothing matches {filter_text}: press escape to list everything.")
    if now.status.engine_pid is None:
        return " No experiments yet, and no engine runs: start one with `arl-tui run`."
    return " No experiments yet: the baseline comes first."


def copied(name: str, text: str) -> str:
    """What became of an attempt to copy a text."""
    if not text:
        return f"There is no {name} to copy."
    lines = text.count("\n") + (not text.endswith("\n"))
    sentence = f"Copied the {name}: {lines:,} lines." if lines > 1 else f"Copied the {name}."
    # base64 makes four bytes of three.
    if len(text.encode("utf-8", "replace")) * 4 / 3 > _OFTEN_REFUSED:
        sentence += " Some terminals refuse so much text; o writes a file instead."
    return sentence


def _experiments(number: int) -> str:
    return "1 experiment" if number == 1 else f"{number:,} experiments"
