"""What self-evaluation saw of made-up experiments: looks, aborts, audits, and its panel."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from typing import TypeAlias

from state.records import Evaluation, Look

Forecast: TypeAlias = tuple[float | None, float | None, float | None, float | None]
"""The middle and the ends of a forecast, and the worst score worth finishing."""

NEEDED = 30  # curves, before anything is aborted
_MARGIN = 0.03  # of the threshold above the best, in bits per byte
_AUDITED = 0.1  # probability


def threshold(best: float) -> float:
    """The worst score worth finishing."""
    return best + _MARGIN


def forecast(kind: str, best: float, curves: int) -> Forecast:
    """Of a running experiment, after so many curves. Re-runs are never aborted."""
    if curves < NEEDED:
        return None, None, None, None
    if kind != "candidate":
        return best, best - 0.012, best + 0.012, None
    middle = best + 0.017
    return middle, middle - 0.012, middle + 0.012, threshold(best)


def finished(number: int, score: float, best: float, curves: int) -> Evaluation:
    """Of an experiment that scored, after so many curves; some are found hopeless and audited."""
    dice = random.Random(number)
    condemned = None
    limit = threshold(best) if curves >= NEEDED else None
    gap = score - threshold(best)
    chance = 0.3 if gap > 0.01 else 0.06 if -0.02 < gap < 0 else 0.0
    if limit is not None and dice.random() < chance:
        condemned = dice.choice((0.3, 0.4, 0.5))
    forecast_until_then = None if condemned is None else threshold(best) + 0.06
    looks = _looks(dice, score, limit, 1.0, condemned, forecast_until_then)
    return Evaluation(
        looks=looks,
        condemned_at=condemned,
        audit_probability=None if condemned is None else _AUDITED,
        audited=condemned is not None,
    )


def aborted(number: int, best: float) -> Evaluation:
    """Of an experiment that was found hopeless and aborted."""
    dice = random.Random(number)
    at = dice.choice((0.2, 0.3, 0.4, 0.6))
    score = threshold(best) + dice.uniform(0.06, 0.15)
    return Evaluation(
        looks=_looks(dice, score, threshold(best), at, at, score),
        condemned_at=at,
        audit_probability=_AUDITED,
    )


def reason(evaluation: Evaluation) -> str:
    """Why an experiment was aborted, as the engine says it."""
    last = evaluation.looks[-1]
    return (
        f"hopeless at {100 * last.progress:.0f} % of the budget: forecast {last.forecast:.3f} "
        f"+- {last.spread:.3f}, threshold {last.threshold:.3f}"
    )


def panel(evaluations: Mapping[int, Evaluation], curves: int, saved_seconds: float) -> object:
    """What the engine says of its self-evaluation."""
    audited = sum(one.audited for one in evaluations.values())
    stopped = sum(one.condemned_at is not None for one in evaluations.values()) - audited
    learning = curves < NEEDED
    return {
        "state": "learning" if learning else "on",
        "sentence": f"{curves} of {NEEDED} finished curves are known: nothing is aborted yet"
        if learning
        else f"{stopped} aborted; of the good runs an estimated 3 % is lost",
        "curves": curves,
        "needed": NEEDED,
        "aborted": stopped,
        "audited": audited,
        "false_aborts": None if learning else 0.03,
        "false_aborts_low": None if learning else 0.0,
        "false_aborts_high": None if learning else 0.12,
        "promised": 0.05,
        "coverage": None if learning else 0.91,
        "coverage_promised": 0.9,
        "saved_hours": None if learning else round(saved_seconds / 3600, 2),
    }


def write_evaluations(db: sqlite3.Connection, evaluations: Mapping[int, Evaluation]) -> None:
    """Write what was seen of experiments, by id."""
    db.executemany(
        "INSERT INTO evaluations (experiment_id, looks, condemned_at, audit_probability, audited) "
        "VALUES (?, ?, ?, ?, ?)",
        [
            (
                number,
                json.dumps([asdict(look) for look in one.looks]),
                one.condemned_at,
                one.audit_probability,
                int(one.audited),
            )
            for number, one in evaluations.items()
        ],
    )


def _looks(
    dice: random.Random,
    score: float,
    limit: float | None,
    until: float,
    condemned: float | None,
    believed: float | None,
) -> tuple[Look, ...]:
    """A look at each tenth of the budget; up to `condemned` the forecast is near `believed`."""
    looks = []
    for tenth in range(1, round(10 * until) + 1):
        progress = tenth / 10
        spread = 0.005 + 0.05 * (1 - progress) ** 2
        wrong = condemned is not None and progress <= condemned
        middle = believed if wrong and believed is not None else score
        looks.append(
            Look(
                progress=progress,
                level=round(3.9 + 1.4 * (1 - progress) ** 2, 4),
                tail=round(3.85 + 0.3 * (1 - progress), 4),
                forecast=None
                if limit is None
                else round(middle + spread * dice.gauss(0, 0.3) * (progress < 1), 4),
                spread=None if limit is None else round(spread, 4),
                threshold=None if limit is None else round(limit, 4),
            )
        )
    return tuple(looks)
