"""What the termination oracle looks at, read from the study and the machine."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

import anyio
from anyio import to_thread

from engine.devices import memory_free
from engine.frozen_files import FrozenFiles
from engine.ledger import Ledger
from engine.meters import Meters
from engine.oracle import Facts
from state.records import Event
from state.store import Store

ENGINE_STARTED = "engine started"  # the type of an event
_ENDED = ("stopped", "finished")
_MEMORY_SECONDS = 60.0  # a lack of memory that has not lasted so long may be a trial's peak


class FactReader:
    """Reads the facts of a study; knows for how long earlier engines ran it."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        meters: Meters,
        hours_before: float,
        frozen: FrozenFiles | None = None,
    ) -> None:
        self._store = store
        self._frozen = frozen
        self._ledger = ledger
        self._meters = meters
        self._hours_before = hours_before
        self._began = time.monotonic()
        self._memory = Recent(_MEMORY_SECONDS)
        self._lock = anyio.Lock()  # a change is taken in once, and what is used is counted once

    @classmethod
    async def open(
        cls, store: Store, meters: Meters, frozen: FrozenFiles | None = None
    ) -> FactReader:
        """A reader for a run of the engine that begins now, in the study's last epoch."""
        events = await store.events()
        # A killed engine is followed by one that goes on; after a stop somebody may have mended it.
        stops = (e.id for e in events if e.type == "state" and e.data["state"] in _ENDED)
        ledger = Ledger((await store.epochs())[-1].id, max(stops, default=0))
        return cls(store, ledger, meters, hours_run(events), frozen)

    async def read(self) -> Facts:
        """The facts now."""
        ledger = self._ledger
        async with self._lock:
            await self._meters.save()
            ledger.take(await self._store.changes(ledger.seen))
        changed: list[str] = []
        if self._frozen is not None:
            changed = await to_thread.run_sync(self._frozen.touched)
        return Facts(
            experiments=ledger.experiments,
            after_baseline=ledger.after_baseline,
            hours=self._hours_before + (time.monotonic() - self._began) / 3600,
            disk_free_gb=shutil.disk_usage(self._store.folder.path).free / 1e9,
            device_hours=self._meters.device_hours,
            kwh=self._meters.kwh,
            memory_free_gb=self._memory.most(memory_free() / 2**30),
            first=ledger.first,
            best=ledger.best,
            record=ledger.record,
            waiting=ledger.open,
            streaks=ledger.streaks,
            changed=tuple(changed),
        )

    async def close(self) -> None:
        """Keep what the study has used until now."""
        async with self._lock:
            await self._meters.save(at_once=True)


class Recent:
    """The largest of the values of the last `seconds`; None until it has watched for so long."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._began: float | None = None
        self._falling: deque[tuple[float, float]] = deque()  # no later value is larger

    def most(self, value: float) -> float | None:
        """Take in the value now."""
        now = self._clock()
        self._began = now if self._began is None else self._began
        while self._falling and self._falling[-1][1] <= value:
            self._falling.pop()
        self._falling.append((now, value))
        while self._falling[0][0] < now - self._seconds:
            self._falling.popleft()
        return self._falling[0][1] if now - self._began >= self._seconds else None


def hours_run(events: list[Event]) -> float:
    """Hours from the start of each engine to its end: the last event, if it was killed."""
    seconds, since, last = 0.0, None, None
    for event in events:
        at = datetime.fromisoformat(event.at)
        ended = event.type == "state" and event.data["state"] in _ENDED
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
