"""Contention: does the study have the machine to itself? Said once when it begins, and once after.

Two measures of each trial, taken outside it while its clock ran (`env/contention.py`): how long it
waited for a processor, and, where the processors are the device, how much of them others used. The
medians over the last trials decide, so that one trial that gets in its own way with too many
threads flags nothing; and they must fall to half of what raised the flag to lower it.

A pure function of the recorded experiments, read in the order in which they ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low

from state.records import Experiment

WAITED = 0.10  # of the time in which a trial could have run
OTHERS = 0.25  # of the processors' time
_TRIALS = 5  # that the medians are of
_LEAST = 3  # without so many nothing is said
_CALM = 0.5  # of both limits: below it lies the end


@dataclass(frozen=True)
class Turn:
    """Contention begins or is over with the outcome of experiment `experiment_id`.

    `waited` and `others` are shares, 0 to 1: (low) medians of the last `trials`, None where not
    known.
    """

    experiment_id: int
    contended: bool
    waited: float | None
    others: float | None
    trials: int

    @property
    def sentence(self) -> str:
        """What has changed, with numbers."""
        parts = []
        if self.waited is not None:
            parts.append(f"waited for a processor {100 * self.waited:.0f} % of their time")
        if self.others is not None:
            parts.append(f"left {100 * self.others:.0f} % of the processors to other programs")
        trials = f"in the median, the last {self.trials} trials {' and '.join(parts)}"
        if self.contended:
            return f"The machine is busy: {trials}. Scores may spread more"
        return f"The machine is quiet again: {trials}"


def contended(run: Experiment) -> bool:
    """Whether one experiment alone was beyond a limit."""
    return beyond(*measured(run))


def beyond(waited: float | None, others: float | None, scale: float = 1.0) -> bool:
    """Whether one of the measures is over its limit, times `scale`."""
    return (waited or 0.0) > WAITED * scale or (others or 0.0) > OTHERS * scale


def measured(run: Experiment) -> tuple[float | None, float | None]:
    """What counts of an experiment's measures: on a GPU others may use the processors."""
    on_cpu = run.device is not None and run.device.startswith("cpu")
    return run.contention, run.other_load if on_cpu else None


class ContentionWatch:
    """Reads experiments one by one, as they end."""

    def __init__(self) -> None:
        self.contended = False
        self._last: deque[tuple[float | None, float | None]] = deque(maxlen=_TRIALS)

    def add(self, run: Experiment) -> Turn | None:
        """Take in an experiment; whether it turns the study's state, and to what."""
        if measured(run) == (None, None):
            return None
        self._last.append(measured(run))
        if len(self._last) < _LEAST:
            return None
        waited, others = (_median(values) for values in zip(*self._last, strict=True))
        busy = beyond(waited, others, _CALM if self.contended else 1.0)
        if busy == self.contended:
            return None
        self.contended = busy
        return Turn(run.id, busy, waited, others, len(self._last))


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median_low(known) if known else None
