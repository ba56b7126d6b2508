"""The commands that steer a running engine: pause, resume, stop."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import typer

from arl_tui.commands.reading import Study
from arl_tui.exits import CommandError, Exit
from arl_tui.output import narrate
from state.folder import StudyFolder, find_folder, require_study
from state.lock import engine_alive

STOP_SECONDS = 30.0

AfterCurrent = Annotated[
    bool, typer.Option("--after-current", help="Let the running experiment finish first.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (pause, resume, stop):
        app.command()(command)


def pause(study: Study = None) -> None:
    """Start no further experiment; the running one goes on."""
    narrate(f"The engine is {_send(find_folder(study), 'pause')}.")


def resume(study: Study = None) -> None:
    """Start experiments again."""
    narrate(f"The engine is {_send(find_folder(study), 'resume')}.")


def stop(study: Study = None, after_current: AfterCurrent = False) -> None:
    """End the engine; returns when all its processes are gone. `run` goes on later."""
    folder = find_folder(study)
    _send(folder, "stop", after_current)
    if after_current:
        narrate("The engine ends after the running experiment; waiting for it.")
    deadline = time.monotonic() + STOP_SECONDS
    while engine_alive(folder.lock):
        if not after_current and time.monotonic() > deadline:
            raise CommandError(
                f"The engine has not ended within {STOP_SECONDS:g} s: see {folder.log}.",
                Exit.INTERNAL,
            )
        time.sleep(0.05)
    narrate("The engine has ended; `arl-tui run` goes on where it was.")


def _send(
    folder: StudyFolder,
    command: Literal["pause", "resume", "stop"],
    after_current: bool = False,
) -> str:
    from arl_tui.commands.failures import told
    from engine.control import Command, ask

    require_study(folder)
    if not engine_alive(folder.lock):
        raise CommandError(
            f"No engine runs for the study in {folder.path}: start it with `arl-tui run`.",
            Exit.NO_ENGINE,
        )
    with told():
        reply = ask(folder.path, Command(command=command, after_current=after_current))
    if not reply.ok:
        raise CommandError(f"The engine refused: {reply.error}.", Exit.USAGE)
    return reply.state
