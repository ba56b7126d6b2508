"""What the termination oracle looks at, read from the study and the machine."""

from __future__ import annotations

import shutil
import time
from datetime import datetime

from engine.oracle import Facts
from state.records import Event
from state.store import Store

ENGINE_STARTED = "engine started"  # the type of an event


class FactReader:
    """Reads the facts of a study; knows for how long earlier engines ran it."""

    def __init__(self, store: Store, hours_before: float) -> None:
        self._store = store
        self._hours_before = hours_before
        self._began = time.monotonic()

    @classmethod
    async def open(cls, store: Store) -> FactReader:
        """A reader for a run of the engine that begins now."""
        return cls(store, hours_run(await store.events()))

    async def read(self) -> Facts:
        """The facts now."""
        kinds = await self._store.kinds()
        total = sum(kinds.values())
        return Facts(
            experiments=total,
            after_baseline=total - kinds.get("baseline", 0) - kinds.get("replicate", 0),
            hours=self._hours_before + (time.monotonic() - self._began) / 3600,
            disk_free_gb=shutil.disk_usage(self._store.folder.path).free / 1e9,
        )


def hours_run(events: list[Event]) -> float:
    """Hours from the start of each engine to its end: the last event, if it was killed."""
    seconds, since, last = 0.0, None, None
    for event in events:
        at = datetime.fromisoformat(event.at)
        ended = event.type == "state" and event.data["state"] in ("stopped", "finished")
        if event.type == ENGINE_STARTED:
            if since is not None and last is not None:
                seconds += (last - since).total_seconds()
            since = at
        elif ended and since is not None:
            seconds += (at - since).total_seconds()
            since = None
        last = at
    if since is not None and last is not None:
        seconds += (last - since).total_seconds()
    return seconds / 3600
