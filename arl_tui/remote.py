"""What the app's keys ask of the engine, and what the person is told about it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from rich.text import Text
from textual.app import SystemCommand

from arl_tui.feed import Snapshot
from arl_tui.output import printable
from arl_tui.screens.stop import Stop, StopDialog

if TYPE_CHECKING:
    from arl_tui.app import StudyApp


async def pause_or_resume(app: StudyApp) -> None:
    """Pause a study that runs, let a paused one go on."""
    paused = app.snapshot is not None and app.snapshot.status.state == "paused"
    await (resume(app) if paused else pause(app))


async def pause(app: StudyApp) -> None:
    """Let no further experiment begin."""
    said = "Paused: no further experiment begins; one that runs goes on."
    await _order(app, "pause", said)


async def resume(app: StudyApp) -> None:
    """Let experiments begin again."""
    await _order(app, "resume", "The study goes on.")


async def supervise_or_not(app: StudyApp) -> None:
    """Switch between a study that a person supervises and one that goes on by itself."""
    supervised = app.snapshot is not None and app.snapshot.status.study.supervised
    await (unsupervise(app) if supervised else supervise(app))


async def supervise(app: StudyApp) -> None:
    """Let each edit wait for a person."""
    await _order(app, "supervise", "Supervised: each edit waits for your review (r).")


async def unsupervise(app: StudyApp) -> None:
    """Let edits run without a person."""
    await _order(app, "unsupervise", "No longer supervised: edits run without your review.")


def ask_to_stop(app: StudyApp) -> None:
    """Stop the engine, if the person means it."""
    if app.snapshot is None or app.snapshot.status.engine_pid is None:
        app.notify("No engine runs for this study.", severity="warning")
        return

    def chosen(choice: Stop | None) -> None:
        if choice is not None:
            app.stop_engine(choice == "after_current")

    app.push_screen(StopDialog(app.snapshot), chosen)


async def stop(app: StudyApp, after_current: bool) -> None:
    """End the engine, now or after the running experiment."""
    reply = await app.order("stop", after_current=after_current)
    if reply is not None and reply.ok:
        when = "after the running experiment" if after_current else "now"
        app.notify(f"The engine stops {when}; `arl-tui run` goes on later.", markup=False)


async def _order(
    app: StudyApp, command: Literal["pause", "resume", "supervise", "unsupervise"], said: str
) -> None:
    reply = await app.order(command)
    if reply is not None and reply.ok:
        app.notify(said, markup=False)


def farewell(now: Snapshot | None) -> Text:
    """What a person is told when they leave."""
    if now is None or now.status.engine_pid is None:
        return Text("No engine runs for this study: `arl-tui run` goes on with it.")
    name = printable(now.status.study.name)
    waits = f" {len(now.reviews)} to review." if now.reviews else ""
    return Text(
        f"The engine of {name} goes on without this viewer.{waits} `arl-tui` shows it again, "
        "`arl-tui stop` ends it."
    )


def sentence(text: str) -> str:
    """What an engine answered, as a printable sentence."""
    text = printable(text.strip())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def commands(app: StudyApp) -> Iterator[SystemCommand]:
    """The study's commands for the palette; only those that make sense now."""
    now = app.snapshot
    for mode, about in (
        ("dashboard", "Scores, what runs, devices"),
        ("review", "Edits that wait for you"),
        ("history", "Every experiment"),
    ):
        if app.current_mode != mode:
            yield SystemCommand(mode.capitalize(), about, partial(app.switch_mode, mode))
    if now is None or now.status.engine_pid is None:
        return
    if now.status.state == "paused":
        yield SystemCommand("Resume", "Let experiments begin again", app.action_pause)
    else:
        yield SystemCommand("Pause", "Let no further experiment begin", app.action_pause)
    if now.status.study.supervised:
        yield SystemCommand("Unsupervise", "Edits run without review", app.action_supervise)
    else:
        yield SystemCommand("Supervise", "Each edit waits for you", app.action_supervise)
    yield SystemCommand("Stop", "Stop the engine; asks first", app.action_stop)
