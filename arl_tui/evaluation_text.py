"""What self-evaluation saw of an experiment that has ended, in a sentence and as a table."""

from __future__ import annotations

from collections.abc import Sequence

from state.metric import VAL_BPB, Metric
from state.records import SCORED, Evaluation, Experiment, Look

_COLUMNS = ("spent", "loss", "tail", "forecast", "+-", "threshold")
_BPB, _ANY = (8, 6, 9), (10, 9, 10)  # columns of forecast, spread and threshold


def verdict(experiment: Experiment, evaluation: Evaluation | None, metric: Metric = VAL_BPB) -> str:
    """Whether it was found hopeless, what followed, and whether that was right; empty if not."""
    if evaluation is None or evaluation.condemned_at is None:
        return ""
    found = f"found hopeless at {100 * evaluation.condemned_at:.0f} %"
    if not evaluation.audited:
        return found + _course(evaluation.looks, metric)
    score, limit = experiment.val_bpb, evaluation.threshold
    if experiment.status not in SCORED or score is None:
        return f"{found}, let run to measure that: {experiment.status}, without a score"
    ended = f"let run: ended at {metric.number(score)}"
    if limit is None:
        return f"{found}, {ended}"
    if metric.gain(limit, score) <= 0:
        return f"rightly {found}, {ended}, {metric.beyond} {metric.number(limit)}"
    return f"wrongly {found}, {ended}, {metric.within} {metric.number(limit)}"


def look_lines(evaluation: Evaluation, metric: Metric = VAL_BPB) -> list[str]:
    """A table of the looks, at most 64 columns wide: losses as reported, the rest in the metric."""
    if not evaluation.looks:
        return []
    forecast, spread, limit = _BPB if metric.is_bpb else _ANY
    align = f"{{:>5}} {{:>6}} {{:>6}} {{:>{forecast}}} {{:>{spread}}} {{:>{limit}}}"
    lines = [align.format(*_COLUMNS)]
    found = False
    for look in evaluation.looks:
        line = align.format(
            f"{100 * look.progress:.0f} %",
            f"{look.level:.3f}",
            f"{look.tail:.3f}",
            *(
                "-" if value is None else metric.rough(value, beside)
                for value, beside in (
                    (look.forecast, look.forecast),
                    (look.spread, look.forecast),
                    (look.threshold, look.threshold),
                )
            ),
        )
        condemned = evaluation.condemned_at
        if not found and condemned is not None and look.progress >= condemned:
            found = True
            line += " hopeless"
        lines.append(line)
    return lines


def _course(looks: Sequence[Look], metric: Metric) -> str:
    """How the forecast went from the first look to the last."""
    known = [one.forecast for one in looks if one.forecast is not None]
    if not known:
        return ""
    ends = [known[0]] if len(known) == 1 else [known[0], known[-1]]
    course = " → ".join(map(metric.rough, ends))
    return f", forecast {course} over {len(known)} look{'s' * (len(known) > 1)}"
