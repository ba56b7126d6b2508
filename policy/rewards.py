"""What an experiment of a real study is worth to the policy: named terms, each with a weight.

The paper (AutoResearch-RL, arXiv 2603.07300) rewards `-(bpb_{t-1} - bpb_t)`, which punishes
improvement (its algorithm has the right sign), and pays a novelty bonus `xi / (1 + d)`, which
rewards repeating oneself. Both are mended here. Its reward is zero or negative nearly always, and
pays for luck: so the default terms rank candidates among themselves, and count gains in units of
the noise. A failure's penalty is the worst rank, never a constant beyond the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policy.contract import FAILURES

_WORST = -1.8  # a gain (asinh of sigmas) that stands for "much worse": about three times the noise


@dataclass(frozen=True)
class Weights:
    """The weight of every term. Those of the paper are off by default."""

    rank: float = 1.0  # ours: place among the last candidates, 1 for the best to -1 for the worst
    gain: float = 0.3  # ours: asinh of the gain on the parent in units of the noise
    veto: float = 0.5  # ours: a person's dislike, taken off
    novelty: float = 0.0  # the paper's xi: grows with the distance d as d / (1 + d)
    efficiency: float = 0.0  # the paper's: the share of the budget left unused
    syntax: float = 0.0  # the paper's p_syntax: taken off for `invalid`
    waste: float = 0.0  # the paper's p_waste: taken off for `timeout`, `oom` and `crash`


@dataclass(frozen=True)
class Experience:
    """What the terms look at. `gain` is as `policy.board.Board.tell` counts it."""

    status: str
    gain: float
    distance: float = 0.0  # steps between parent and candidate
    unused: float = 0.0  # share of the usual seconds that were not needed


def merit(experience: Experience) -> float | None:
    """What ranks are made of: the gain; a failure is the worst; None for what has no score."""
    if experience.status == "veto":
        return None
    if experience.status in FAILURES:
        return 2 * _WORST
    # An abort is only known to be worse than the threshold.
    return min(_WORST, experience.gain) if experience.status == "abort" else experience.gain


def rank(value: float, others: Sequence[float]) -> float:
    """The place of a value among others: 1 above all, -1 below all, 0 alone or in the middle."""
    if not others:
        return 0.0
    above = sum(value > other for other in others) + 0.5 * sum(value == other for other in others)
    return 2 * above / len(others) - 1


def reward(experience: Experience, window: Sequence[Experience], weights: Weights) -> float:
    """The weighted sum of all terms. `window` holds the experiments that it is compared with."""
    total = weights.novelty * experience.distance / (1 + experience.distance)
    total += weights.efficiency * experience.unused
    if experience.status == "veto":
        return total - weights.veto
    value = merit(experience)
    assert value is not None
    known = [m for other in window if (m := merit(other)) is not None]
    total += weights.rank * rank(value, known) + weights.gain * max(-3.0, min(3.0, value))
    if experience.status == "invalid":
        total -= weights.syntax
    elif experience.status in FAILURES:
        total -= weights.waste
    return total
