"""Records and announces contention as it begins and ends."""

from __future__ import annotations

from dataclasses import asdict

from engine.contention import ContentionWatch
from engine.events import Announce, EngineEvent
from state.records import CONTENTION
from state.store import Store


class ContentionLog:
    """Records and announces each turn once, whatever kills the engine in between."""

    def __init__(self, store: Store, announce: Announce) -> None:
        self._store = store
        self._announce = announce
        self._watch: ContentionWatch | None = None

    async def note(self, experiment_id: int) -> None:
        """Take in an experiment that has ended and is recorded."""
        if self._watch is not None:
            runs, known = [await self._store.experiment(experiment_id)], set[int | None]()
        else:
            self._watch = ContentionWatch()
            ended = [run for run in await self._store.experiments() if run.ended]
            runs = sorted(ended, key=lambda run: (run.ended_at or "", run.id))
            known = {event.experiment_id for event in await self._store.events(type_=CONTENTION)}
        for run in runs:
            turn = self._watch.add(run)
            if turn is not None and turn.experiment_id not in known:
                data = asdict(turn) | {"sentence": turn.sentence}
                await self._store.event(CONTENTION, turn.experiment_id, data)
                self._announce(EngineEvent(CONTENTION, f"{turn.sentence}.", asdict(turn)))
