"""The statistics of a bench: each policy after so many experiments, and beside the first one.

Two scales: `values` are the curve's (sigma from the baseline, or val-bpb), and what is compared
between policies is the regret share where it is known, else the curve's value. Lower is better on
both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Final

from scipy import stats

from engine.policy_bench import StudyRecord

COUNTS: Final = (10, 25, 50, 100, 200, 300)
CONFIDENCE: Final = 0.95
_Values = dict[str, list[float | None]]  # by policy, study by study


@dataclass(frozen=True)
class Paired:
    """A policy minus the first one, study by study: negative is better than the first.

    The mean with its interval by Student's t, and the two-sided p of Wilcoxon's signed-rank test;
    None where there are too few studies.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class Row:
    """A policy after so many experiments; `after` is None for the fresh runs of its last best.

    `studies` counts those with a value. `won` is its share of the studies, ties shared.
    """

    policy: str
    after: int | None
    studies: int
    mean: float
    median: float
    sd: float | None
    regret: float | None
    won: float
    against_first: Paired | None


@dataclass(frozen=True)
class Cost:
    """What a policy's experiments came to, over all studies."""

    policy: str
    experiments: int
    failed: float
    statuses: dict[str, int]
    exhausted: int
    asks_per_second: float | None
    tells_per_second: float | None
    reruns_failed: int


def counts(experiments: int) -> tuple[int, ...]:
    """The numbers of experiments that are reported: the usual ones, and the last."""
    return (*(count for count in COUNTS if count < experiments), experiments)


def rows(records: Sequence[StudyRecord], labels: Sequence[str], experiments: int) -> list[Row]:
    """The table, in the order of `labels` at each count. `records` have every pair."""
    mine = {label: _of(records, label) for label in labels}
    found: list[Row] = []
    for after in counts(experiments):
        values: _Values = {label: [r.curve[after] for r in mine[label]] for label in labels}
        regrets: _Values = {label: [r.regret(after) for r in mine[label]] for label in labels}
        known = all(record.span is not None for record in records)
        found += _block(after, values, regrets if known else None)
    if any(record.reruns for record in records):
        again: _Values = {
            label: [fmean(r.confirmed) if r.confirmed else None for r in mine[label]]
            for label in labels
        }
        found += _block(None, again, None)
    return found


def paired(values: Sequence[float], first: Sequence[float]) -> Paired:
    """The paired comparison of two policies on the same studies."""
    differences = [value - other for value, other in zip(values, first, strict=True)]
    mean = fmean(differences)
    if len(differences) < 2:
        return Paired(mean, None, None, None)
    error = stdev(differences) / math.sqrt(len(differences))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * error
    moved = [difference for difference in differences if difference]
    p = float(stats.wilcoxon(moved).pvalue) if moved else 1.0
    return Paired(mean, mean - half, mean + half, p)


def shares_won(compared: Sequence[Sequence[float]]) -> list[float]:
    """The share of the studies that each policy won: it has the lowest value; ties are shared."""
    studies = list(zip(*compared, strict=True))
    won = [0.0] * len(compared)
    for study in studies:
        best = [number for number, value in enumerate(study) if value == min(study)]
        for number in best:
            won[number] += 1 / len(best)
    return [count / len(studies) for count in won]


def costs(records: Sequence[StudyRecord], labels: Sequence[str]) -> list[Cost]:
    """Failures, exhausted policies and speed."""
    found: list[Cost] = []
    for label in labels:
        mine = _of(records, label)
        statuses = sum((Counter(record.statuses) for record in mine), Counter[str]())
        run = statuses.total()
        scored = statuses["keep"] + statuses["discard"]
        exhausted = sum(record.exhausted_after is not None for record in mine)
        asking = sum(record.ask_seconds for record in mine)
        telling = sum(record.tell_seconds for record in mine)
        found.append(
            Cost(
                policy=label,
                experiments=run,
                failed=(run - scored) / run if run else 0.0,
                statuses=dict(sorted(statuses.items())),
                exhausted=exhausted,
                asks_per_second=(run + exhausted) / asking if asking else None,
                tells_per_second=run / telling if telling else None,
                reruns_failed=sum(record.reruns - len(record.confirmed) for record in mine),
            )
        )
    return found


def _of(records: Sequence[StudyRecord], label: str) -> list[StudyRecord]:
    """A policy's records, in the order of the studies."""
    return sorted((r for r in records if r.policy == label), key=lambda record: record.seed)


def _block(after: int | None, values: _Values, regrets: _Values | None) -> list[Row]:
    """One row for each policy, over the studies in which all of them have a value."""
    kept = [n for n, study in enumerate(zip(*values.values(), strict=True)) if None not in study]
    if not kept:
        return []
    shown = _picked(values, kept)
    compared = shown if regrets is None else _picked(regrets, kept)
    won = shares_won(list(compared.values()))
    first = next(iter(compared))
    return [
        Row(
            policy=label,
            after=after,
            studies=len(kept),
            mean=fmean(some),
            median=median(some),
            sd=stdev(some) if len(some) > 1 else None,
            regret=None if regrets is None else fmean(compared[label]),
            won=share,
            against_first=None if label == first else paired(compared[label], compared[first]),
        )
        for (label, some), share in zip(shown.items(), won, strict=True)
    ]


def _picked(values: _Values, numbers: Sequence[int]) -> dict[str, list[float]]:
    return {
        label: [value for n in numbers if (value := some[n]) is not None]
        for label, some in values.items()
    }
