"""Which way is better: the database holds scores as the metric counts them, the engine minimises.

The engine's store turns every score, difference, forecast and threshold on its way in and out; what
viewers read is as recorded. Turning twice changes nothing. What has no sign stays: sigma, spreads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar, overload

from state.metric import Direction
from state.present import Live, Present
from state.records import Evaluation, Experiment, Incumbent, Look, Outcome

T = TypeVar("T", Experiment, Outcome, Incumbent, Look)

_NAMES = frozenset({"val_bpb", "sealed_bpb", "delta", "score", "forecast", "threshold"})
_TURNED = {
    kind: tuple(field.name for field in fields(kind) if field.name in _NAMES)
    for kind in (Experiment, Outcome, Incumbent, Look)
}


@dataclass(frozen=True)
class Orientation:
    """Between a metric's numbers and those of the engine, where lower is better."""

    direction: Direction = "min"

    @overload
    def number(self, value: float) -> float: ...
    @overload
    def number(self, value: float | None) -> float | None: ...
    def number(self, value: float | None) -> float | None:
        """A score or a difference of scores."""
        if value is None or self.direction == "min":
            return value
        return 0.0 - value  # and no negative zero

    def record(self, record: T) -> T:
        """An experiment, an outcome, an incumbent or a look."""
        if self.direction == "min":
            return record
        names = _TURNED[type(record)]
        return replace(record, **{name: self.number(getattr(record, name)) for name in names})

    def evaluation(self, seen: Evaluation) -> Evaluation:
        """What self-evaluation saw of an experiment."""
        if self.direction == "min":
            return seen
        return replace(seen, looks=tuple(map(self.record, seen.looks)))

    def live(self, live: Live) -> Live:
        """What a running experiment does: the ends of its forecast change places."""
        if self.direction == "min":
            return live
        return replace(
            live,
            forecast=self.number(live.forecast),
            forecast_low=self.number(live.forecast_high),
            forecast_high=self.number(live.forecast_low),
            threshold=self.number(live.threshold),
        )

    def present(self, now: Present) -> Present:
        """What viewers are shown."""
        if self.direction == "min":
            return now
        return replace(now, live=tuple(map(self.live, now.live)))
