"""Simulated drifts: how often the drift test finds them, how soon, and what they cost.

In the middle of a study of no-op edits every later score is shifted. The engine's own functions
decide (engine/keepers.py), with and without the drift test. Shifts are in sigma of the noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from engine.acceptance_bench import upper_bound
from engine.keepers import NOISES, Draws, KeepRule, NoiseName
from engine.settings import Acceptance

SHIFTS: Final = (0.0, -1.0, -2.0, -3.0, -5.0, 1.0, 2.0, 3.0, 5.0)
_STREAM = 9  # apart from the draws of the other table


@dataclass(frozen=True)
class DriftRow:
    """What happened in `studies` simulated studies with a drift of `shift` sigma, or with none.

    `alarms` is the share of studies with an alarm before the drift, `found` with one after it
    (for no drift: in the second half); `alarm_bound` is the upper 95 % bound of studies with any,
    where there is no drift. `delay` is the median number of experiments from the drift until it is
    found, None if it never is. `false` is the share of studies that promote a no-op edit after the
    drift with the drift test, `false_without` without it.
    """

    noise: NoiseName
    shift: float
    studies: int
    edits: int
    alarms: float
    alarm_bound: float | None
    found: float
    delay: float | None
    false: float
    false_without: float


def simulate_drifts(
    studies: int, edits: int, seed: int, rule: Acceptance | None = None
) -> Iterator[DriftRow]:
    """Every shift under every noise; one row each as it is done. The same arguments, the same."""
    settings = rule or Acceptance()
    for noise in NOISES:
        for shift in SHIFTS:
            yield _row(noise, shift, studies, edits, seed, settings)


def _row(
    noise: NoiseName, shift: float, studies: int, edits: int, seed: int, settings: Acceptance
) -> DriftRow:
    early, late, either, false, without = 0, 0, 0, 0, 0
    delays: list[int] = []
    for study in range(studies):
        keeper = KeepRule(Draws(noise, seed, _STREAM, study), settings)
        onset, promoted = _run(keeper, shift, edits)
        false += promoted
        before = sum(drift.found_id < onset for drift in keeper.drifts)
        early += before > 0
        either += bool(keeper.drifts)
        if len(keeper.drifts) > before:
            late += 1
            delays.append(keeper.drifts[before].found_id - onset + 1)
        blind = settings.model_copy(update={"drift": 0.0})
        without += _run(KeepRule(Draws(noise, seed, _STREAM, study), blind), shift, edits)[1]
    return DriftRow(
        noise=noise,
        shift=shift,
        studies=studies,
        edits=edits,
        alarms=early / studies,
        alarm_bound=None if shift else upper_bound(either, studies),
        found=late / studies,
        delay=median(delays) if delays else None,
        false=false / studies,
        false_without=without / studies,
    )


def _run(keeper: KeepRule, shift: float, edits: int) -> tuple[int, bool]:
    """Offer no-op edits; the first experiment of the drift, and any promotion after that."""
    for _ in range(edits // 2):
        keeper.offer(0.0)
    onset = keeper.experiments
    keeper.shift = shift
    promoted = [keeper.offer(0.0) for _ in range(edits - edits // 2)]
    return onset, any(promoted)
