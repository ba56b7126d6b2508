"""What crashed whenever it was tried: single values, and pairs of values.

A script may assert what nobody can read from it. Then a crash says that one of the changed values,
or a pair of one with any other, does not go. A pair that has run is cleared for good; what is left
is suspected the more, the fewer sites the crashed edits changed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

Place = tuple[int, int]  # a site's row, and its position on the lattice
Suspect = tuple[Place, Place]  # a pair; twice the same is that value alone

Candidate = TypeVar("Candidate")

_PUT_OFF = 128  # candidates that are likely to crash, before one of them is taken
_REMEMBERED = 400  # experiments
_TRUST = 0.2  # how likely what one single change crashed with is tried again


class CrashMemory:
    """Remembers which places crashed and which ran; rows and positions as in `policy.roster`."""

    def __init__(self) -> None:
        self._told: list[tuple[list[int], list[Place], bool]] = []
        self._blame: dict[Suspect, float] = {}
        self._ran: set[Suspect] = set()

    def tell(self, parent: Mapping[int, int], candidate: Mapping[int, int], crashed: bool) -> None:
        """A candidate of a parent that runs has crashed, or has run."""
        changed = [row for row, place in candidate.items() if parent.get(row) != place]
        if changed:
            self._told = [*self._told, (changed, sorted(candidate.items()), crashed)][-_REMEMBERED:]
            self._note(changed, candidate, crashed)

    def chance(self, parent: Mapping[int, int], candidate: Mapping[int, int]) -> float:
        """How willing to try the candidate one should be, 0 to 1; 1 when nothing speaks against it.

        The candidate differs from a parent that runs.
        """
        changed = [row for row, place in candidate.items() if parent.get(row) != place]
        blame = max(
            (
                self._blame.get(suspect, 0.0)
                for suspect in _suspects(changed, candidate)
                if suspect not in self._ran
            ),
            default=0.0,
        )
        return math.pow(_TRUST, blame)

    def _note(self, changed: Sequence[int], candidate: Mapping[int, int], crashed: bool) -> None:
        for suspect in _suspects(changed, candidate):
            if crashed:
                self._blame[suspect] = self._blame.get(suspect, 0.0) + 1 / len(changed)
            else:
                self._ran.add(suspect)

    def state(self) -> list[Any]:
        """Plain values for JSON."""
        return [
            [changed, [list(place) for place in places], crashed]
            for changed, places, crashed in self._told
        ]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> CrashMemory:
        """The memory that `state` describes."""
        memory = cls()
        for changed, places, crashed in state:
            known = [(int(row), int(place)) for row, place in places]
            memory._told.append((list(changed), known, bool(crashed)))
            memory._note(changed, dict(known), crashed)
        return memory


def _suspects(changed: Sequence[int], candidate: Mapping[int, int]) -> Iterator[Suspect]:
    """Each changed place alone, and with every other place."""
    for row in changed:
        here = (row, candidate[row])
        for other in candidate.items():
            yield (here, other) if here <= other else (other, here)


def put_off(
    candidates: Iterable[Candidate], chance: Callable[[Candidate], float], rng: random.Random
) -> Iterator[Candidate]:
    """The candidates, each with its chance when it comes; the others wait for the end."""
    waiting: list[Candidate] = []
    for candidate in candidates:
        if rng.random() < chance(candidate):
            yield candidate
        elif len(waiting) < _PUT_OFF:
            waiting.append(candidate)
        else:
            break
    yield from waiting
