"""A script that arl-tui itself trains and scores: it defines build_model and train."""

from __future__ import annotations

import ast
from collections.abc import Generator

from engine.checkout import Checkout
from engine.presets import drafts
from engine.presets.drafts import Draft, DraftError, Given, Question
from target import source
from target.source import SourceError

_ENTRY_POINTS = {"build_model", "train"}


def recognises(checkout: Checkout) -> bool:
    """Whether train.py defines both functions."""
    return checkout.has("train.py") and _is_sealed(checkout, "train.py")


def draft(checkout: Checkout, given: Given) -> Generator[Question, str, Draft]:
    """Asks nothing: such a script is neither run as a command nor believed."""
    yield from ()
    if given.command or given.metric or given.direction:
        raise DraftError(
            "A script with build_model and train is run and scored by arl-tui itself: leave out "
            "--command, --metric and --direction, or give --preset script."
        )
    script = given.script or "train.py"
    checkout.text(script)  # read, so that what is wrong with it is said
    if not _is_sealed(checkout, script):
        raise DraftError(f"{script} does not define build_model and train: give --preset script.")
    tables = {
        "name": drafts.study_name(checkout),
        "target": {"path": script},
        **({"budget": {"seconds": given.budget}} if given.budget else {}),
    }
    return Draft(tables, "a script with build_model and train, which arl-tui trains and scores")


def _is_sealed(checkout: Checkout, script: str) -> bool:
    try:
        tree = source.syntax_tree(source.read(checkout.folder / script))
    except SourceError:
        return False
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef)} >= _ENTRY_POINTS
