"""Before there is a study to show: what would run, and the engine as it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Footer, Static

from arl_tui.exits import Exit, code_of
from arl_tui.launch import Launch
from arl_tui.output import printable
from state.errors import StoreError

POLL_SECONDS = 0.1
_SHOWN = 8  # lines of the engine's log

Choice: TypeAlias = Literal["attach", "look", "leave", "ended"]


@dataclass(frozen=True)
class Failed:
    """The engine ended before there was anything to show."""

    code: int
    sentence: str


class StartApp(App[Choice | Failed]):
    """Shows the plan and waits for Enter, if it is to; then starts the engine and waits for it."""

    TITLE = "arl-tui"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    StartApp Vertical { padding: 1 2; }
    #title { text-style: bold; margin-bottom: 1; }
    #log { margin-top: 1; color: $text-muted; }
    #keys { margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "Start"),
        Binding("h", "look", "History only"),
        Binding("q,escape", "leave", "Leave"),
    ]

    def __init__(
        self,
        plan: Sequence[tuple[str, str]],
        launch: Callable[[], Launch],
        *,
        exists: bool,
        wait: bool,
    ) -> None:
        """`exists`: there is a study to go on with; `wait`: for Enter, before anything starts."""
        super().__init__()
        self._plan = plan
        self._begin = launch
        self._exists = exists
        self._wait = wait
        self._launch: Launch | None = None

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("", id="title", markup=False)
            yield Static(_table(self._plan), id="plan")
            yield Static("", id="log", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        what = "go on with the study" if self._exists else "start a new study"
        self.query_one("#title", Static).update(f"arl-tui would {what}:")
        if not self._wait:
            self.action_start()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done now is offered."""
        if action == "start":
            return self._launch is None
        if action == "look":
            return self._launch is None and self._exists
        return True

    def action_start(self) -> None:
        """Start the engine, and wait until it has the study."""
        if self._launch is not None:
            return
        try:
            self._launch = self._begin()
        except (StoreError, OSError) as error:
            self.exit(Failed(code_of(error) or Exit.INTERNAL, f"{error}"))
            return
        self.refresh_bindings()
        self.query_one("#title", Static).update("The engine is starting.")
        self.set_interval(POLL_SECONDS, self._look)

    def action_look(self) -> None:
        """Show the study as it is, without an engine."""
        self.exit("look")

    def action_leave(self) -> None:
        """Go. An engine that has the study goes on; one that is still starting is ended."""
        if self._launch is not None and not self._launch.has_study():
            self._launch.end()
            self.exit("ended")
        else:
            self.exit("leave")

    async def _look(self) -> None:
        launch = self._launch
        assert launch is not None
        code = launch.ended()
        said = [printable(line) for line in await asyncio.to_thread(launch.said)]
        self.query_one("#log", Static).update("\n".join(said[-_SHOWN:]))
        if code is not None:
            # It may have finished within a moment: then there is a study to look at.
            finished = code == 0 and launch.folder.exists
            sentence = said[-1] if said else f"The engine ended with exit code {code}."
            if code < 0:
                sentence = f"The engine was ended by signal {-code}: see {launch.folder.log}."
                code = 128 - code
            self.exit("attach" if finished else Failed(code, sentence))
        elif await asyncio.to_thread(launch.answers):
            self.exit("attach")


def _table(plan: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in plan:
        table.add_row(name, Text(printable(value)))
    return table
