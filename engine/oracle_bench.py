"""Simulated improvement records: how often the convergence rule stops a study too early.

A study is a row of tries, each of which gains with a chance that only the simulation knows. The
rule sees which tries gained. Beside it run its first estimate alone, the rule with the trend of all
gains instead of the last, and a fixed patience.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engine import convergence
from engine.convergence import Record
from engine.settings import Convergence

PATIENCE: Final = 100  # of the rule that people use: so many tries without a gain
_GROUPS = 40  # of knobs, each with one best value

Gains: TypeAlias = npt.NDArray[np.intp]
"""The numbers of the tries that gained, from 1, in order."""
Draw: TypeAlias = Callable[[np.random.Generator, int], Gains]


@dataclass(frozen=True)
class Row:
    """What a rule did in `studies` simulated studies of one kind.

    `stopped` is the share that it stopped within the horizon; `tries` the median number of tries
    until then, None if it stopped none. `wrong` is the share of all studies that were stopped
    although the next `ahead` tries would have gained, `wrong_of_stops` the same of those that were
    stopped. `missed` is the share of all gains within the horizon that came after a stop.
    """

    process: str
    rule: str
    studies: int
    stopped: float
    tries: float | None
    wrong: float
    wrong_of_stops: float | None
    missed: float


def simulate(
    studies: int, horizon: int, seed: int, rule: Convergence | None = None
) -> Iterator[Row]:
    """Every rule under every process; one row each as it is done. The same arguments, the same."""
    settings = rule or Convergence()
    for number, (process, draw) in enumerate(PROCESSES.items()):
        random = np.random.default_rng((seed, number))
        records = [draw(random, horizon + settings.experiments) for _ in range(studies)]
        for name, stop in _rules(settings).items():
            yield _row(process, name, stop, records, horizon, settings.experiments)


def _constant(chance: float) -> Draw:
    """Every try gains with the same chance."""

    def draw(random: np.random.Generator, tries: int) -> Gains:
        return np.flatnonzero(random.random(tries) < chance) + 1

    return draw


def _records(random: np.random.Generator, tries: int) -> Gains:
    """Independent draws: the n-th is the best so far with chance 1/n."""
    return np.flatnonzero(random.random(tries) < 1 / np.arange(1, tries + 1)) + 1


def _decay(random: np.random.Generator, tries: int) -> Gains:
    """The chance begins at 1/5 and halves every 100 tries."""
    return np.flatnonzero(random.random(tries) < 0.2 * 0.5 ** (np.arange(tries) / 100)) + 1


def _knobs(random: np.random.Generator, tries: int) -> Gains:
    """Each try sets one of 40 knobs in one of 10 ways; one of these gains, once."""
    picks = random.integers(0, 10 * _GROUPS, tries)
    _, first = np.unique(picks[picks % 10 == 0], return_index=True)
    return np.sort(np.flatnonzero(picks % 10 == 0)[first]) + 1


def _openings(random: np.random.Generator, tries: int) -> Gains:
    """Each gain opens new ones: the chance is 1/20 after it, and halves every 50 tries."""
    gains, since = [], 0
    for number, dice in enumerate(random.random(tries).tolist(), start=1):
        since += 1
        if dice < 0.05 * 0.5 ** (since / 50):
            gains.append(number)
            since = 0
    return np.array(gains, dtype=np.intp)


def _stuck(random: np.random.Generator, tries: int) -> Gains:
    """Gains for 100 tries, none for 600, then gains again: nothing announces them."""
    chance = np.full(tries, 0.02)
    chance[:100], chance[100:700] = 0.05, 0.0
    return np.flatnonzero(random.random(tries) < chance) + 1


PROCESSES: Final[dict[str, Draw]] = {
    "no gain at all": _constant(0.0),
    "independent draws": _records,
    "chance 1/2000": _constant(1 / 2000),
    "chance 1/500": _constant(1 / 500),
    "chance 1/200": _constant(1 / 200),
    "chance 1/50": _constant(1 / 50),
    "chance halves": _decay,
    "40 knobs": _knobs,
    "gains open gains": _openings,
    "stuck, then gains": _stuck,
}

_Stop: TypeAlias = Callable[[Record], bool]


def _rules(rule: Convergence) -> dict[str, tuple[int, _Stop]]:
    """Each rule: the fewest tries without a gain, and whether a record is enough."""
    least, ahead, delta = convergence.needed(rule), rule.experiments, rule.delta
    return {
        "the rule": (least, lambda record: convergence.converged(record, rule)),
        "recent alone": (least, lambda record: True),
        "whole trend": (
            least,
            lambda record: convergence.trend(record, ahead, len(record.gains) + 1) <= delta,
        ),
        f"{PATIENCE} in a row": (PATIENCE, lambda record: True),
    }


def _row(
    process: str,
    name: str,
    rule: tuple[int, _Stop],
    records: list[Gains],
    horizon: int,
    ahead: int,
) -> Row:
    stops: list[int] = []
    wrong, missed, gained = 0, 0, 0
    for gains in records:
        stop = _stopping(gains, rule, horizon)
        inside = int(np.searchsorted(gains, horizon, "right"))
        gained += inside
        if stop is None:
            continue
        stops.append(stop)
        found = int(np.searchsorted(gains, stop, "right"))
        wrong += found < len(gains) and bool(gains[found] <= stop + ahead)
        missed += inside - found
    return Row(
        process=process,
        rule=name,
        studies=len(records),
        stopped=len(stops) / len(records),
        tries=median(stops) if stops else None,
        wrong=wrong / len(records),
        wrong_of_stops=wrong / len(stops) if stops else None,
        missed=missed / gained if gained else 0.0,
    )


def _stopping(gains: Gains, rule: tuple[int, _Stop], horizon: int) -> int | None:
    """The number of tries after which a rule stops; None if it does not within the horizon."""
    least, enough = rule
    known: tuple[int, ...] = ()
    for gain in [*gains.tolist(), horizon + 1]:
        first, last = (known[-1] if known else 0) + least, min(gain - 1, horizon)
        if first <= last and enough(Record(last, known)):
            # Without a gain a record only becomes less promising: bisect for the first stop.
            low, high = first, last
            while low < high:
                middle = (low + high) // 2
                if enough(Record(middle, known)):
                    high = middle
                else:
                    low = middle + 1
            return low
        if gain > horizon:
            break
        known = (*known, gain)
    return None
