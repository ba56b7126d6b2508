"""A person edits a candidate: from the key to the engine's answer, and no text is ever lost."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from arl_tui.editor import Draft, NoEditor, find_editor
from state.errors import StoreError
from state.watch import Watcher

if TYPE_CHECKING:
    from arl_tui.app import StudyApp

LARGEST = 1 << 20  # bytes, which the engine accepts
_KEPT_SECONDS = 60.0  # that the place of a kept text stays on the screen


async def amend(app: StudyApp, experiment_id: int) -> None:
    """Let a person edit a candidate's source, and send it to the engine when it has changed."""

    def query(watcher: Watcher) -> str:
        return watcher.source(watcher.experiment(experiment_id).source_sha)

    try:
        command = find_editor(os.environ)
        source = await app.read(query)
        draft = await asyncio.to_thread(Draft, experiment_id, source)
    except (NoEditor, StoreError) as error:
        app.notify(str(error), severity="error", markup=False)
        return
    except OSError as error:
        app.notify(f"No file to edit could be made: {error.strerror}.", severity="error")
        return
    try:
        # The screen belongs to the editor: nothing here may draw, so everything here waits.
        with app.suspend():
            status = draft.edit(command)
    except SuspendNotSupported:
        draft.remove()
        app.notify("This terminal cannot be lent to an editor.", severity="warning")
        return
    except OSError as error:
        draft.remove()
        app.notify(f"{command[0]} did not start: {error.strerror}.", severity="error", markup=False)
        return
    await _send(app, experiment_id, source, draft, status)


async def _send(app: StudyApp, experiment_id: int, before: str, draft: Draft, status: int) -> None:
    try:
        source = draft.read()
    except (OSError, UnicodeDecodeError):
        _keep(app, draft, "What the editor left is not UTF-8 text")
        return
    if source == before:
        draft.remove()
        app.notify(f"#{experiment_id} is unchanged.")
    elif status != 0:
        _keep(
            app, draft, f"The editor ended with status {status}, so #{experiment_id} stays as it is"
        )
    elif len(source.encode()) > LARGEST:
        _keep(app, draft, "The script has more than 1 MiB")
    else:
        reply = await app.order("amend", experiment_id=experiment_id, source=source)
        if reply is None or not reply.ok:
            _keep(app, draft, f"#{experiment_id} stays as it is")
            return
        draft.remove()
        app.notify(f"#{experiment_id} is amended; it still waits for your approval.")


def _keep(app: StudyApp, draft: Draft, why: str) -> None:
    """Say where a text is that could not be used."""
    app.notify(
        f"{why}. Your text is kept in {draft.path}",
        severity="warning",
        timeout=_KEPT_SECONDS,
        markup=False,
    )
