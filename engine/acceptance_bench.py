"""Simulated studies for the keep rule: how often it promotes nothing, how often it sees a gain.

The rule's own functions decide, on the same records as in the engine (engine/keepers.py). Beside it
run the two naive rules that people use. What a drift does is in engine/drift_bench.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from scipy.special import betaincinv

from engine.keepers import NOISES, Draws, Keeper, KeepRule, NaiveRule, NoiseName
from engine.settings import Acceptance

GAINS: Final = (2.0, 3.0, 4.0)  # true gains, in sigma, whose promotion is counted
FIRST_GAIN: Final = 3.0  # of the true promotion before the edits of a "promoted" study
_TRIES = 1000  # edits of that gain that a rule may turn down before it is given up


@dataclass(frozen=True)
class Row:
    """What a rule did in `studies` simulated studies of `edits` edits each.

    `promoted` says whether the edits follow a true promotion. `false_bound` is the upper 95 %
    bound of `false`, the share of studies of no-op edits with any promotion. `power` is the share
    of single true gains promoted, by gain in sigma; their places among no-op edits are spread
    evenly.
    Confirmations and sentinels are means per 100 no-op edits, re-runs of the incumbent that tests
    ask for are means per study.
    """

    rule: str
    noise: NoiseName
    promoted: bool
    studies: int
    edits: int
    false: float
    false_bound: float
    power: dict[float, float]
    confirmations_per_100: float
    sentinels_per_100: float
    incumbent_reruns: float


RULES: Final = ("the keep rule", "beats by 2 sigma", "keep if better")


def simulate(studies: int, edits: int, seed: int, rule: Acceptance | None = None) -> Iterator[Row]:
    """Every rule under every noise, before and after a true promotion; one row each as it is done.

    The same arguments give the same rows; `rule` is the engine's default unless given.
    """
    settings = rule or Acceptance()
    for name in RULES:
        for noise in NOISES:
            for promoted in (False, True):
                yield _row(name, noise, promoted, studies, edits, seed, settings)


def upper_bound(hits: int, trials: int, confidence: float = 0.95) -> float:
    """The one-sided upper bound of a proportion by Clopper and Pearson (Biometrika 26, 1934)."""
    if hits >= trials:
        return 1.0
    return float(betaincinv(hits + 1, trials - hits, confidence))


def _row(
    name: str,
    noise: NoiseName,
    promoted: bool,
    studies: int,
    edits: int,
    seed: int,
    settings: Acceptance,
) -> Row:
    def begin(stream: int, study: int) -> Keeper:
        keeper = _keeper(name, Draws(noise, seed, stream, study), settings)
        if promoted:
            any(keeper.offer(FIRST_GAIN) for _ in range(_TRIES))
        return keeper

    false, confirmations, reruns, sentinels = 0, 0, 0, 0
    for study in range(studies):
        keeper = begin(0, study)
        before = keeper.confirmations, keeper.incumbent_reruns, keeper.sentinels
        # Every edit is offered, also after a false promotion: the counts are of whole studies.
        false += sum(keeper.offer(0.0) for _ in range(edits)) > 0
        confirmations += keeper.confirmations - before[0]
        reruns += keeper.incumbent_reruns - before[1]
        sentinels += keeper.sentinels - before[2]
    power = {}
    for stream, gain in enumerate(GAINS, start=1):
        hits = 0
        for study in range(studies):
            keeper = begin(stream, study)
            for _ in range(study * edits // studies):
                keeper.offer(0.0)
            hits += keeper.offer(gain)
        power[gain] = hits / studies
    return Row(
        rule=name,
        noise=noise,
        promoted=promoted,
        studies=studies,
        edits=edits,
        false=false / studies,
        false_bound=upper_bound(false, studies),
        power=power,
        confirmations_per_100=100 * confirmations / (studies * edits),
        sentinels_per_100=100 * sentinels / (studies * edits),
        incumbent_reruns=reruns / studies,
    )


def _keeper(name: str, draw: Draws, settings: Acceptance) -> Keeper:
    if name == "the keep rule":
        return KeepRule(draw, settings)
    return NaiveRule(draw, margin=2.0 if name == "beats by 2 sigma" else 0.0)
