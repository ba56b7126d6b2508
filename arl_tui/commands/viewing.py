"""The commands that open the screen: `arl-tui` itself, and attach."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arl_tui.commands.reading import Study
from arl_tui.exits import CommandError, Exit
from arl_tui.output import narrate
from state.folder import StudyFolder, find_folder, require_study
from state.lock import EngineLock, engine_alive
from state.watch import Brief, Watcher

if TYPE_CHECKING:
    from engine.settings import Settings

_FILE = Path("arl.toml")  # engine.settings.FILE, which takes long to import

LowBandwidth = Annotated[bool, typer.Option("--low-bandwidth", help="Draw less, for a slow line.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(attach)


def attach(study: Study = None, low_bandwidth: LowBandwidth = False) -> int:
    """Show a study: live while its engine runs, its history without one. Starts nothing."""
    from arl_tui.commands.failures import told

    folder = find_folder(study)
    require_study(folder)
    require_terminal("attach")
    with told():
        low, keys = _screen_settings()
        return show(folder, keys, low_bandwidth or low)


def open_study(
    folder: StudyFolder,
    asked: Mapping[str, Any],
    options: Sequence[str],
    *,
    wait: bool,
    low_bandwidth: bool,
) -> int:
    """Attach to the study's engine; start one first, detached, where none runs.

    `asked` are settings of the command line and `options` the same for `run`; with `wait` a
    person sees the plan before anything starts.
    """
    from arl_tui.commands.failures import told
    from arl_tui.layers import settings_of

    with told():
        chosen = settings_of(folder, asked)
        if not engine_alive(folder.lock):
            from arl_tui.screens.start import Failed

            result = _start(folder, chosen, options, wait)
            if isinstance(result, Failed):
                narrate(result.sentence)
                return result.code
            if result == "ended":
                narrate("The engine was still starting, and has been ended: nothing is lost.")
                return Exit.OK
            if result not in ("attach", "look"):
                if engine_alive(folder.lock):
                    narrate("The engine goes on; `arl-tui` shows it.")
                return Exit.OK
        elif (supervised := asked.get("review", {}).get("supervised")) is not None:
            from engine.control import Command, ask

            ask(folder.path, Command(command="supervise" if supervised else "unsupervise"))
        return show(folder, chosen.keys, low_bandwidth or chosen.tui.low_bandwidth)


def show(folder: StudyFolder, keys: Mapping[str, str], low_bandwidth: bool) -> int:
    """Run the app on a study until the person leaves."""
    from arl_tui.reader import StudyReader

    reader = StudyReader(folder)  # it reads while the app is imported
    from arl_tui.app import StudyApp

    app = StudyApp(folder, keys=keys, low_bandwidth=low_bandwidth, reader=reader)
    code = app.run()
    return app.return_code or (code if code is not None else Exit.OK)


def refuse_taken(folder: StudyFolder) -> None:
    """Raise StudyTaken where an engine runs the study already."""
    if engine_alive(folder.lock):
        EngineLock(folder.lock).release()


def require_terminal(command: str) -> None:
    """Raise CommandError where there is no terminal to draw on."""
    if not is_terminal():
        raise CommandError(
            f"`arl-tui {command}` needs a terminal: `arl-tui run --headless` runs without one, and "
            "`arl-tui status` says where a study stands."
        )


def is_terminal() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _start(folder: StudyFolder, settings: Settings, options: Sequence[str], wait: bool) -> object:
    from arl_tui.launch import Launch
    from arl_tui.screens.start import StartApp
    from engine.plan import plan

    rows = [("study", str(folder.path)), *plan(settings, _done(folder))]
    begin = lambda: Launch(folder, ["--study", str(folder.path), *options])  # noqa: E731
    app = StartApp(rows, begin, exists=folder.exists, wait=wait)
    result = app.run()
    if result is None and app.return_code:
        raise CommandError("The screen ended unexpectedly.", Exit.INTERNAL)
    return result


def _done(folder: StudyFolder) -> list[Brief]:
    if not folder.exists:
        return []
    watcher = Watcher(folder)
    try:
        return watcher.briefs()
    finally:
        watcher.close()


def has_settings_file() -> bool:
    """Whether the folder where we are says what is to run."""
    return _FILE.exists()


def _screen_settings() -> tuple[bool, Mapping[str, str]]:
    """Low bandwidth, and the person's own keys, from arl.toml if it says anything of them."""
    try:
        tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False, {}
    except (OSError, ValueError):
        tables = {"tui": {}}  # what is wrong with it is said below
    if not tables.keys() & {"tui", "keys"}:
        return False, {}
    from arl_tui.layers import settings_here

    settings = settings_here({})
    return settings.tui.low_bandwidth, settings.keys
