"""The Textual app: a viewer and remote control of one study. It decides nothing about research."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast, runtime_checkable

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from arl_tui import remote, study_texts
from arl_tui.feed import PARTS, Part, Snapshot
from arl_tui.palette import OpenExperiment
from arl_tui.preferences import remember_theme, remembered_theme
from arl_tui.reader import StudyReader
from arl_tui.screens.opening import Opening
from state.errors import StoreError
from state.folder import StudyFolder
from state.watch import Watcher

if TYPE_CHECKING:
    from arl_tui.screens.history import History
    from engine.control import Reply

T = TypeVar("T")
LOOK_SECONDS = 0.5
LOW_BANDWIDTH_LOOK_SECONDS = 2.0
_SCREENS = Binding.Group("Go to", compact=True)


@runtime_checkable
class Follower(Protocol):
    """A screen that shows the study."""

    def follow(self, now: Snapshot, changed: frozenset[Part]) -> None:
        """Show what has changed; everything has when the screen is shown again."""


def lazily(module: str, name: str) -> Callable[[], Screen[object]]:
    """Makes a screen whose module is imported when it is first wanted: that takes a while."""

    def make() -> Screen[object]:
        screen: Screen[object] = getattr(import_module(f"arl_tui.screens.{module}"), name)()
        return screen

    return make


def utc_now() -> datetime:
    """The time now, from which waiting times on the screen are counted."""
    return datetime.now(UTC)


class StudyApp(App[int]):
    """Shows the study in a folder, and sends commands to its engine."""

    TITLE = "arl-tui"
    CSS_PATH = "theme.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = App.COMMANDS | {OpenExperiment}
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (110, "-normal"),
        (180, "-wide"),
    ]
    MODES: ClassVar[dict[str, str | Callable[[], Screen[object]]]] = {
        "opening": Opening,
        "dashboard": lazily("dashboard", "Dashboard"),
        "review": lazily("review", "ReviewQueue"),
        "history": lazily("history", "History"),
    }
    DEFAULT_MODE = "opening"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", id="help"),
        Binding("q", "quit", "Quit", id="quit", tooltip="Leave; the engine goes on"),
        Binding("d", "switch_mode('dashboard')", "Dashboard", id="dashboard", group=_SCREENS),
        Binding("r", "switch_mode('review')", "Review", id="review", group=_SCREENS),
        Binding("h", "switch_mode('history')", "History", id="history", group=_SCREENS),
        Binding("space", "pause", "Pause", id="pause", tooltip="Pause the study, or go on"),
        Binding(
            "s", "supervise", "Supervise", id="supervise", tooltip="Review each edit, or no longer"
        ),
        Binding("S", "stop", "Stop", id="stop", tooltip="Stop the engine; asks first"),
        Binding("i", "program", "Program", id="program", tooltip="Read program.md", show=False),
    ]

    def __init__(
        self,
        folder: StudyFolder,
        *,
        keys: Mapping[str, str] | None = None,
        low_bandwidth: bool = False,
        now: Callable[[], datetime] = utc_now,
        reader: StudyReader | None = None,
    ) -> None:
        """`reader`: one that reads the study already.

        Raises a StoreError when the study cannot be read, a CommandError for wrong keys.
        """
        super().__init__()
        self._keys: Mapping[str, str] = {}
        if keys:
            from arl_tui import keymap

            self._keys = keymap.checked(keys, type(self))
        self.folder = folder
        self._reader = reader or StudyReader(folder)
        self.snapshot: Snapshot | None = None
        self.stopping = False  # which only the engine knows: it is not recorded
        self.low_bandwidth = low_bandwidth
        self.now = now
        self._looking = False
        self._problem = ""
        if low_bandwidth:
            self.animation_level = "none"
        theme = remembered_theme()
        if theme in self.available_themes:
            self.theme = theme

    async def on_mount(self) -> None:
        self.set_keymap(self._keys)
        await self.look()
        self.set_interval(
            LOW_BANDWIDTH_LOOK_SECONDS if self.low_bandwidth else LOOK_SECONDS, self.look
        )
        self.theme_changed_signal.subscribe(self, self._remember_theme)
        self._greet()

    def on_unmount(self) -> None:
        self._reader.close()

    async def read(self, query: Callable[[Watcher], T]) -> T:
        """What a query on the study returns, without blocking the screen.

        Raises a StoreError.
        """
        return await asyncio.wrap_future(self._reader.ask(query))

    async def order(self, command: str, **fields: Any) -> Reply | None:
        """Send a command to the engine. A refusal is shown; None when no engine answers."""
        reply = await asyncio.to_thread(_sent, self.folder, command, fields)
        if reply is None:
            self.notify("No engine runs for this study.", severity="warning")
        elif reply.ok:
            self.stopping = reply.state == "stopping"
            await self.look()
            self.show_again()
        else:
            self.notify(remote.sentence(reply.error), severity="warning", markup=False)
        return reply

    def show_again(self) -> None:
        """Show everything on the current screen, which has just come to the front."""
        if self.snapshot is not None and isinstance(self.screen, Follower):
            self.screen.follow(self.snapshot, PARTS)

    async def look(self) -> None:
        """Look at the study, and show what has changed."""
        if self._looking:
            return
        self._looking = True
        try:
            seen = await asyncio.wrap_future(self._reader.look())
        except StoreError as error:
            if str(error) != self._problem:  # it is looked at twice a second, and told once
                self._problem = str(error)
                self.notify(str(error), severity="error", markup=False)
            return
        finally:
            self._looking = False
        if seen is None:
            return
        self.snapshot, changed = seen
        if self.snapshot.status.engine_pid is None:
            self.stopping = False
        if isinstance(self.screen, Follower):
            self.screen.follow(self.snapshot, changed)

    @work
    async def _greet(self) -> None:
        """Ask a running engine whether it is stopping already."""
        if self.snapshot is None or self.snapshot.status.engine_pid is None:
            return
        reply = await asyncio.to_thread(_sent, self.folder, "ping", {})
        if reply is not None and reply.state == "stopping":
            self.stopping = True
            self.show_again()

    @work(group="open", exclusive=True)
    async def open_experiment(self, experiment_id: int) -> None:
        """Show one experiment in the history."""
        await self.switch_mode("history")
        cast("History", self.screen).open_experiment(experiment_id)

    @work(group="orders")
    async def action_pause(self) -> None:
        await remote.pause_or_resume(self)

    @work(group="orders")
    async def action_supervise(self) -> None:
        await remote.supervise_or_not(self)

    def action_stop(self) -> None:
        remote.ask_to_stop(self)

    @work(group="orders")
    async def stop_engine(self, after_current: bool) -> None:
        """Stop the engine without asking further."""
        await remote.stop(self, after_current)

    def action_help(self) -> None:
        from arl_tui.screens.help import Help

        self.push_screen(Help(self.screen))

    @work
    async def action_program(self) -> None:
        await study_texts.show_program(self)

    @work
    async def action_prior_results(self) -> None:
        await study_texts.show_prior_results(self)

    async def action_quit(self) -> None:
        self.exit(0, message=remote.farewell(self.snapshot))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers."""
        yield from remote.commands(self)
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)
        yield SystemCommand("Help", "Every key of this screen", self.action_help)
        yield SystemCommand("Quit", "Leave; the engine goes on", self.action_quit)

    def _remember_theme(self, theme: Theme) -> None:
        self._write_theme(theme.name)

    @work(thread=True)
    def _write_theme(self, name: str) -> None:
        remember_theme(name)


def _sent(folder: StudyFolder, command: str, fields: dict[str, Any]) -> Reply | None:
    """The engine's answer to a command, or None. Its messages are not needed to draw a screen."""
    from engine.control import Command, NoEngine, ask

    try:
        return ask(folder.path, Command.model_validate({"command": command, **fields}))
    except NoEngine:
        return None
