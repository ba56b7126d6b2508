"""How far a bench is, on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from datetime import datetime

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from arl_tui.output import narrate, printable


class BenchProgress:
    """Counts what is done. `every` is how much of the whole passes from line to line."""

    def __init__(self, what: str, total: int, every: float = 0.0) -> None:
        self._total = total
        self._every = every
        self._done = 0
        self._said = 0.0
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn(what),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> BenchProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, text: str, units: int = 1) -> None:
        """So much more is done; the text says what it was, or nothing."""
        self._done += units
        text = printable(text)
        if self._bar is not None:
            self._bar.update(self._task, advance=units)
            if text and not self._every:
                self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)
            return
        share = self._done / self._total
        if text and share - self._said >= self._every:
            self._said = share
            narrate(f"{datetime.now():%H:%M:%S} {self._done}/{self._total} {text}")
