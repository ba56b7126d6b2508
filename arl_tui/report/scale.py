"""The score of a study in words: what it is called, which way is better, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from arl_tui.output import one_line
from state.records import Study


@dataclass(frozen=True)
class Scale:
    """How scores of one metric are written. Scores are raw: as the metric says them."""

    name: str
    lower_is_better: bool
    self_reported: bool
    decimals: bool  # four of them; else five significant digits

    @property
    def better(self) -> str:
        """Which way is better."""
        return "lower" if self.lower_is_better else "higher"

    @property
    def title(self) -> str:
        """The metric, which way is better, and whether anybody but the script measured it."""
        own = ", self-reported" if self.self_reported else ""
        return f"{self.name} ({self.better} is better{own})"

    def gain(self, start: float, end: float) -> float:
        """By how much the end is better than the start; negative when it is worse."""
        return start - end if self.lower_is_better else end - start

    def lower_or_higher(self, change: float) -> str:
        """In which direction a score has changed."""
        return "lower" if change < 0 else "higher"

    def number(self, value: float | None) -> str:
        """A score; `-` for none."""
        return "-" if value is None else format(value, ".4f" if self.decimals else ".5g")

    def change(self, value: float | None) -> str:
        """A difference of scores, with its sign; `-` for none."""
        return "-" if value is None else format(value, "+.4f" if self.decimals else "+.4g")


def scale_of(study: Study) -> Scale:
    """The scale of a study's metric."""
    bits = study.metric == "val_bpb"
    return Scale(
        name="val-bpb" if bits else one_line(study.metric),
        lower_is_better=study.direction == "min",
        self_reported=study.target_kind == "command",
        decimals=bits,
    )
