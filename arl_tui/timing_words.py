"""Where the time of an experiment went, in words: the parts of `engine/timing.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

WORDS = {
    # Its slot, before it:
    "recording": "recording the one before",
    "review": "waiting for a review",
    "paused": "paused",
    "waiting": "waiting for other trials",
    "proposing": "choosing it",
    # Its process:
    "start": "starting, importing, building",
    "spawn": "getting a process",
    "import": "importing",
    "build": "building",
    "held": "held until the last score was known",
    "first_batch": "first batch",
    "training": "training",
    "hand_in": "handing in weights",
    "teardown": "ending its processes",
    # Its score:
    "scorer": "waiting for the scorer",
    "score": "scoring",
}
_ORDER = {part: number for number, part in enumerate(WORDS)}


def sorted_parts(parts: Iterable[str]) -> list[str]:
    """The parts, each once, in the order of an experiment's life."""
    return sorted(set(parts), key=lambda part: (_ORDER.get(part, len(_ORDER)), part))


def timing_line(timing: Mapping[str, float]) -> str:
    """The parts that took some time, in one line."""
    return ", ".join(
        f"{WORDS.get(part, part)} {timing[part]:.2f} s"
        for part in sorted_parts(timing)
        if timing[part] >= 0.005
    )
