"""Made-up studies with another metric: scores are drawn in bits per byte, and counted otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from arl_tui.made_up_evaluation import Forecast
from state.metric import VAL_BPB, Metric
from state.records import Evaluation


@dataclass(frozen=True)
class Scale:
    """What so many bits per byte are in a metric."""

    metric: Metric = VAL_BPB
    slope: float = 1.0
    offset: float = 0.0

    def score(self, bpb: float) -> float:
        """A score."""
        return self.offset + self.slope * bpb

    def change(self, bpb: float) -> float:
        """A difference of scores."""
        return self.slope * bpb

    def spread(self, bpb: float) -> float:
        """A standard deviation."""
        return abs(self.slope) * bpb

    def evaluation(self, seen: Evaluation) -> Evaluation:
        """What self-evaluation saw."""
        looks = (
            replace(
                look,
                forecast=None if look.forecast is None else self.score(look.forecast),
                spread=None if look.spread is None else self.spread(look.spread),
                threshold=None if look.threshold is None else self.score(look.threshold),
            )
            for look in seen.looks
        )
        return replace(seen, looks=tuple(looks))

    def forecast(self, expected: Forecast) -> Forecast:
        """A forecast of what runs."""
        middle, low, high, limit = (None if x is None else self.score(x) for x in expected)
        return (middle, low, high, limit) if self.slope > 0 else (middle, high, low, limit)


BPB = Scale()
ACCURACY = Scale(Metric("accuracy", "max", self_reported=True), slope=-0.25, offset=1.0)
