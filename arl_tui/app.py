"""The Textual app: a viewer and remote control of one study. It decides nothing about research."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from arl_tui.feed import PARTS, Feed, Part, Snapshot
from arl_tui.screens.dashboard import Dashboard
from arl_tui.screens.history import History
from arl_tui.screens.review import ReviewQueue
from engine.control import Command, NoEngine, Reply, ask
from state.errors import StoreError
from state.folder import StudyFolder
from state.watch import Watcher

T = TypeVar("T")
LOOK_SECONDS = 0.5


@runtime_checkable
class Follower(Protocol):
    """A screen that shows the study."""

    def follow(self, now: Snapshot, changed: frozenset[Part]) -> None:
        """Show what has changed; everything has when the screen is shown again."""


class StudyApp(App[int]):
    """Shows the study in a folder, and sends commands to its engine."""

    TITLE = "arl-tui"
    CSS_PATH = "theme.tcss"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (110, "-normal"),
        (180, "-wide"),
    ]
    MODES: ClassVar[dict[str, str | Callable[[], Screen[object]]]] = {
        "dashboard": Dashboard,
        "review": ReviewQueue,
        "history": History,
    }
    DEFAULT_MODE = "dashboard"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "switch_mode('dashboard')", "Dashboard", id="dashboard"),
        Binding("r", "switch_mode('review')", "Review", id="review"),
        Binding("h", "switch_mode('history')", "History", id="history"),
        Binding("q", "quit", "Quit", id="quit"),
    ]

    def __init__(self, folder: StudyFolder) -> None:
        super().__init__()
        self.folder = folder
        self.feed = Feed(folder)
        self.snapshot: Snapshot | None = None
        self._reading = asyncio.Lock()

    async def on_mount(self) -> None:
        await self._look()
        self.set_interval(LOOK_SECONDS, self._look)

    def on_unmount(self) -> None:
        self.feed.close()

    async def read(self, query: Callable[[Watcher], T]) -> T:
        """What a query on the study returns, without blocking the screen.

        Raises a StoreError.
        """
        async with self._reading:
            return await asyncio.to_thread(query, self.feed.watcher)

    async def order(self, command: Command) -> Reply | None:
        """Send a command to the engine. A refusal is shown; None when no engine answers."""
        try:
            reply = await asyncio.to_thread(partial(ask, self.folder.path, command))
        except NoEngine:
            self.notify("No engine runs for this study.", severity="warning")
            return None
        if not reply.ok:
            self.notify(reply.error, severity="warning", markup=False)
        return reply

    def show_again(self) -> None:
        """Show everything on the current screen, which has just come to the front."""
        if self.snapshot is not None and isinstance(self.screen, Follower):
            self.screen.follow(self.snapshot, PARTS)

    async def _look(self) -> None:
        if self._reading.locked():
            return
        try:
            async with self._reading:
                seen = await asyncio.to_thread(self.feed.look)
        except StoreError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if seen is not None:
            self.snapshot, changed = seen
            if isinstance(self.screen, Follower):
                self.screen.follow(self.snapshot, changed)
