"""From the database to the screen: what a study looks like now, and which part of it has changed.

It blocks, so the app looks in a thread. Nothing is read while `PRAGMA data_version` stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from state.folder import StudyFolder
from state.lock import engine_pid
from state.present import SAMPLES_KEPT, DeviceSample, Live, Review
from state.read import StudyStatus
from state.records import Incumbent, Json, Point
from state.watch import Brief, Watcher

Part: TypeAlias = Literal["engine", "experiments", "live", "devices", "panels", "reviews"]
PARTS: frozenset[Part] = frozenset(
    ("engine", "experiments", "live", "devices", "panels", "reviews")
)


@dataclass(frozen=True)
class Snapshot:
    """A study at a moment. `briefs[n]` is experiment n; curves are those of what runs."""

    status: StudyStatus
    briefs: Sequence[Brief]
    incumbents: Sequence[Incumbent]
    live: Sequence[Live]
    curves: Mapping[int, Sequence[Point]]
    samples: Mapping[str, Sequence[DeviceSample]]
    panels: Mapping[str, Json]
    reviews: Sequence[Review]


class Feed:
    """Follows the study in a folder. One thread at a time may use it."""

    def __init__(self, folder: StudyFolder) -> None:
        """Raises a StoreError when the study cannot be read."""
        self.watcher = Watcher(folder)
        self._folder = folder
        self._version = -1
        self._pid: int | None = None
        self._event = 0
        self._sample = 0
        self._samples: dict[str, tuple[DeviceSample, ...]] = {}
        self._last: Snapshot | None = None

    def close(self) -> None:
        """Close the database."""
        self.watcher.close()

    def look(self) -> tuple[Snapshot, frozenset[Part]] | None:
        """The study now and what has changed since the last look; None when nothing has.

        Raises a StoreError when the study cannot be read.
        """
        pid = engine_pid(self._folder.lock)
        version = self.watcher.data_version()
        if self._last is not None and (pid, version) == (self._pid, self._version):
            return None
        watcher, before = self.watcher, self._last
        event, ids = watcher.changed(self._event)
        if before is None or pid != self._pid:  # what is `running` depends on the engine
            briefs: Sequence[Brief] = watcher.briefs()
        else:
            briefs = _merged(before.briefs, watcher.briefs(sorted(ids)) if ids else [])
        news = before is None or event != self._event or pid != self._pid
        live = watcher.live()
        now = Snapshot(
            status=watcher.status() if news or before is None else before.status,
            briefs=briefs,
            incumbents=watcher.incumbents() if news or before is None else before.incumbents,
            live=live,
            curves={one.experiment_id: watcher.curve(one.experiment_id) for one in live},
            samples=self._sampled(),
            panels=watcher.panels(),
            reviews=watcher.reviews() if news or before is None else before.reviews,
        )
        self._pid, self._version, self._event, self._last = pid, version, event, now
        changed = _changed(before, now)
        return (now, changed) if changed else None

    def _sampled(self) -> Mapping[str, Sequence[DeviceSample]]:
        self._sample, fresh = self.watcher.samples(self._sample)
        if fresh:
            samples = dict(self._samples)
            for sample in fresh:
                samples[sample.device] = (*samples.get(sample.device, ()), sample)[-SAMPLES_KEPT:]
            self._samples = samples
        return self._samples


def _merged(before: Sequence[Brief], fresh: Sequence[Brief]) -> Sequence[Brief]:
    if not fresh:
        return before
    briefs = list(before)
    for brief in fresh:  # ids count from 0 without a gap, and come in order
        if brief.id < len(briefs):
            briefs[brief.id] = brief
        else:
            briefs.append(brief)
    return briefs


def _changed(before: Snapshot | None, now: Snapshot) -> frozenset[Part]:
    if before is None:
        return PARTS
    changed: set[Part] = set()
    if before.status is not now.status and _uncounted(before) != _uncounted(now):
        changed.add("engine")
    if before.briefs is not now.briefs or before.incumbents != now.incumbents:
        changed.add("experiments")
    if before.live != now.live or before.curves != now.curves:
        changed.add("live")
    if before.samples is not now.samples:
        changed.add("devices")
    if before.panels != now.panels:
        changed.add("panels")
    if before.reviews != now.reviews:
        changed.add("reviews")
    return frozenset(changed)


def _uncounted(snapshot: Snapshot) -> StudyStatus:
    """The status without what changes with every experiment."""
    return replace(snapshot.status, counts={}, experiments=0)
