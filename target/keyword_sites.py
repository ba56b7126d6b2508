"""Sites that are keyword arguments, or entries of a dict: `AdamW.lr` of whatever is called so."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from target import comparability
from target.hints import at, frozen_lines
from target.sites import Found
from target.source import Script, SourceError
from target.value_sites import Named, is_short, sites


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# How something is computed, not what.
TECHNICAL = _words(
    """batch_first capturable device differentiable dim dtype foreach fused inplace is_causal
    last_epoch maximize mode num_training_steps padding_idx persistent process_group
    reduction steps_per_epoch strict threshold_mode total_iters total_steps
    track_running_stats verbose"""
)


def keyword_sites(
    script: Script, owner: str, arguments: Sequence[tuple[str, ast.expr]], strings: bool = False
) -> list[Found]:
    """A site for each literal argument `owner.keyword`. Raises SourceError for a shared hint.

    A range in a line with several of them could mean any.
    """
    found: list[Found] = []
    steered: dict[int, str] = {}  # the keyword that a line's hint is for
    for keyword, value in arguments:
        if not is_short(value) or value.lineno in frozen_lines(script):
            continue
        hints = at(script, value.lineno, value.end_lineno or value.lineno)
        if not hints.asks and comparability.reason_against(script, keyword) is not None:
            continue
        named = Named(
            id=f"{owner}.{keyword}",
            name=f"{owner}.{keyword}",
            hints=hints,
            is_read=lambda node: False,
            strings=strings,
        )
        new = sites(script, named, value)
        if new and hints.asks and steered.setdefault(value.lineno, keyword) != keyword:
            raise SourceError(
                f"line {value.lineno}: the hint stands at both {steered[value.lineno]} and"
                f" {keyword}: give each a line of its own"
            )
        found += new
    return found
