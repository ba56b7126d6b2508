"""What a killed engine left behind: processes to end, experiments to run again, files to remove."""

from __future__ import annotations

import os
import shutil
import signal

import anyio

from engine.events import Announce, EngineEvent
from env import processes
from state.records import Process
from state.store import Store

# The lifeline of a dead engine is cut: its supervisors end by themselves, and get this long to.
GRACE_SECONDS = 5.0


async def recover(store: Store, announce: Announce) -> None:
    """Make the study whole again after any crash, and say what was recovered."""
    left = await store.recover()
    for experiment in left:
        if experiment.process is not None:
            await end_process(experiment.process)
    shutil.rmtree(store.folder.scratch, ignore_errors=True)
    if left:
        names = ", ".join(f"#{experiment.id}" for experiment in left)
        sentence = f"The last engine was killed; interrupted, and to run again: {names}"
        announce(EngineEvent("recovered", sentence, {"ids": [e.id for e in left]}))


async def end_process(process: Process) -> None:
    """Wait for a supervisor to end, and kill it and its descendants if it does not.

    A process with the same id but another start or boot is somebody else's, and left alone.
    """
    with anyio.move_on_after(GRACE_SECONDS):
        while _alive(process):  # noqa: ASYNC110 - nobody else can tell when it ends
            await anyio.sleep(0.05)
    if _alive(process):
        for pid in (*processes.descendants(process.pid), process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended meanwhile


def _alive(process: Process) -> bool:
    return (
        process.boot_id == processes.boot_id()
        and processes.start_time(process.pid) == process.start_time
        and not processes.is_zombie(process.pid)
    )
