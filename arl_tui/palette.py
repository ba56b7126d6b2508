"""The command palette: what it offers beside the keys."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import Hit, Hits, Provider
from textual.markup import escape

from arl_tui.output import printable

if TYPE_CHECKING:
    from arl_tui.app import StudyApp

_NUMBER = re.compile(r"(?:open|experiment|\s)*#?([0-9]{1,9})\s*$", re.IGNORECASE)


class OpenExperiment(Provider):
    """Opens an experiment by its number, typed as `12`, `#12` or `open 12`."""

    async def search(self, query: str) -> Hits:
        app = cast("StudyApp", self.app)
        typed = _NUMBER.match(query)
        if typed is None or app.snapshot is None:
            return
        number = int(typed[1])
        if number < len(app.snapshot.briefs):
            brief = app.snapshot.briefs[number]
            yield Hit(
                1.0,
                f"Open experiment {number}",
                partial(app.open_experiment, number),
                help=escape(printable(f"{brief.status} {brief.summary}")),
            )
