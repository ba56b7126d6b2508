"""The engine's events as lines: readable ones, or JSON; with a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from arl_tui.output import printable
from engine.events import EngineEvent

# Too frequent for a log line of their own; the bar shows them.
_BAR_ONLY = ("report", "phase", "preparing")


class Headless:
    """Prints events as they happen. A terminal that goes away does not disturb the engine."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._silent = False
        self._step = ""  # of the preparation
        self._bar: Progress | None = None
        self._tasks: dict[int, TaskID] = {}
        if not as_json and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}% {task.fields[note]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> Headless:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None and not self._silent:
            self._bar.stop()

    def announce(self, event: EngineEvent) -> None:
        """Show one event."""
        if self._silent:
            return
        try:
            self._show(event)
        except OSError:
            self._silent = True  # the terminal or the pipe is gone; the study goes on

    def bar_only(self, event: EngineEvent) -> None:
        """Show an event in the progress bar, if there is one."""
        if self._bar is not None:
            self._advance(self._bar, event)

    def _show(self, event: EngineEvent) -> None:
        if self._json:
            if event.type != "report":
                body = {"type": event.type, "text": event.sentence, **event.data}
                self._print(json.dumps(body))
            return
        self.bar_only(event)
        fresh = event.type == "preparing" and self._bar is None and event.sentence != self._step
        if fresh:  # it is told many times a second
            self._step = event.sentence
        if fresh or event.type not in _BAR_ONLY:
            self._print(f"{datetime.now():%H:%M:%S} {printable(event.sentence)}")

    def _print(self, line: str) -> None:
        if self._bar is not None and sys.stdout.isatty():
            self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def _advance(self, bar: Progress, event: EngineEvent) -> None:
        number = event.data.get("id")
        if event.type == "preparing":
            number = -1
        if not isinstance(number, int):
            return
        if event.type in ("ended", "interrupted") or event.data.get("step") == "manifest":
            task = self._tasks.pop(number, None)
            if task is not None:
                bar.remove_task(task)
            return
        if event.type not in ("phase", "report", "preparing"):
            return
        if number not in self._tasks:
            name = "preparing data" if number < 0 else f"#{number} {event.data['kind']}"
            self._tasks[number] = bar.add_task(name, total=1.0, note="")
        task = self._tasks[number]
        if event.type == "report":
            bar.update(
                task, completed=event.data["progress"], note=f"loss {event.data['loss']:.3f}"
            )
        elif event.type == "phase":
            bar.update(task, note=str(event.data["phase"]))
        else:
            bar.update(task, completed=event.data["fraction"], note=str(event.data["step"]))
