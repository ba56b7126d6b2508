"""What each slot spends its time on: how much of it a device really trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from engine.executor import Slot

Activity: TypeAlias = Literal[
    "starting",  # a trial: its processes, imports and model
    "training",
    "scoring",  # a trained trial holds the slot: its weights are handed in, or not scored yet
    "recording",  # the outcome, and what the policy learns from it
    "proposing",  # the policy thinks of the next edit
    "review",  # every proposal waits for a person
    "paused",
    "waiting",  # for what runs in other slots
]
OCCUPIED: frozenset[Activity] = frozenset({"starting", "training", "scoring"})  # by a trial


class DutyClock:
    """Counts wall seconds of each slot by activity, from when it is made."""

    def __init__(self, slots: Sequence[Slot], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slots = slots
        self._now: dict[int, Activity] = {slot.number: "waiting" for slot in slots}
        self._since = {slot.number: clock() for slot in slots}
        self._seconds: dict[int, dict[str, float]] = {slot.number: {} for slot in slots}
        self._between: dict[int, dict[str, float]] = {slot.number: {} for slot in slots}

    def switch(self, slot: int, activity: Activity) -> None:
        """From now on the slot does this."""
        self._count(slot)
        self._now[slot] = activity

    def occupied(self) -> float:
        """Seconds in which an experiment occupied a slot, over all slots."""
        for slot in self._slots:
            self._count(slot.number)
        return sum(
            seconds
            for counted in self._seconds.values()
            for activity, seconds in counted.items()
            if activity in OCCUPIED
        )

    def between(self, slot: int) -> Mapping[str, float]:
        """What the slot did between its trials since the last call: seconds by activity."""
        self._count(slot)
        found = self._between[slot]
        self._between[slot] = {}
        return {name: round(s, 3) for name, s in found.items() if name not in OCCUPIED}

    def report(self) -> dict[str, Any]:
        """Plain values for JSON: each slot's device and its seconds by activity."""
        for slot in self._slots:
            self._count(slot.number)
        return {
            "slots": [
                {
                    "slot": slot.number,
                    "device": slot.device,
                    "now": self._now[slot.number],
                    "seconds": {
                        activity: round(seconds, 1)
                        for activity, seconds in self._seconds[slot.number].items()
                    },
                }
                for slot in self._slots
            ]
        }

    def _count(self, slot: int) -> None:
        now, activity = self._clock(), self._now[slot]
        for counted in (self._seconds[slot], self._between[slot]):
            counted[activity] = counted.get(activity, 0.0) + now - self._since[slot]
        self._since[slot] = now
