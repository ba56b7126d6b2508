"""Kinds of projects for which `arl-tui init` knows the settings. A new kind is one new module here.

Its `recognises(checkout)` says whether a folder is one, and its `draft(checkout, given)` is a
generator that yields a `Question` for what it needs to know, is sent the answer, and returns the
`Draft` of an arl.toml. A draft raises DraftError, or SourceError for a script that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from engine.checkout import Checkout
from engine.presets import autoresearch, nanochat, script, sealed
from engine.presets.drafts import Draft, DraftError, Given, Question

__all__ = ["PRESETS", "Draft", "DraftError", "Given", "Preset", "Question", "recognise"]


@dataclass(frozen=True)
class Preset:
    """A kind of project."""

    recognises: Callable[[Checkout], bool]
    draft: Callable[[Checkout, Given], Generator[Question, str, Draft]]


PRESETS: dict[str, Preset] = {
    "autoresearch": Preset(autoresearch.recognises, autoresearch.draft),
    "nanochat": Preset(nanochat.recognises, nanochat.draft),
    "sealed": Preset(sealed.recognises, sealed.draft),
    "script": Preset(script.recognises, script.draft),
}
"""By name, the most special first; the last one recognises everything."""


def recognise(checkout: Checkout) -> str:
    """The name of the first preset that recognises a folder."""
    return next(name for name, preset in PRESETS.items() if preset.recognises(checkout))
