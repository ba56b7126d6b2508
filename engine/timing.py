"""Where the time of an experiment went: wall seconds by part.

What its slot did before it has the names of `engine.duty.Activity`. Then, in this order:

spawn        its process gets the candidate (a spare), or is started first
import       the process imports what any candidate needs; a spare has done so already
build        the candidate's own code runs, and compiles, up to its first batch
held         it is ready, and waits for the score of the one before
first_batch  its clock runs: it gets its data, and takes its first step
training     the steps that follow, up to its deadline
hand_in      its weights are written
teardown     its processes end
scorer       it waits for the scorer
score        it is scored
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

Part: TypeAlias = Literal[
    "spawn",
    "import",
    "build",
    "held",
    "first_batch",
    "training",
    "hand_in",
    "teardown",
    "scorer",
    "score",
]
BESIDE: tuple[Part, ...] = ("score",)  # while its slot goes on, unless the clock is `steps`


class Split:
    """Counts the seconds of one part after the other."""

    def __init__(self, first: Part, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._part: Part = first
        self._since = clock()
        self._seconds: dict[str, float] = {}

    def enter(self, part: Part) -> None:
        """One part ends, and another begins."""
        now = self._clock()
        self._seconds[self._part] = self._seconds.get(self._part, 0.0) + now - self._since
        self._part, self._since = part, now

    @property
    def part(self) -> Part:
        """The part that lasts now."""
        return self._part

    def seconds(self) -> Mapping[str, float]:
        """The seconds of all parts so far, to the millisecond."""
        self.enter(self._part)
        return {part: round(seconds, 3) for part, seconds in self._seconds.items()}
