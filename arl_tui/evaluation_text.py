"""What self-evaluation saw of an experiment that has ended, in a sentence and as a table."""

from __future__ import annotations

from collections.abc import Sequence

from state.records import SCORED, Evaluation, Experiment, Look

_COLUMNS = ("spent", "loss", "tail", "forecast", "+-", "threshold")
_ALIGN = "{:>5} {:>6} {:>6} {:>8} {:>6} {:>9}"


def verdict(experiment: Experiment, evaluation: Evaluation | None) -> str:
    """Whether it was found hopeless, what followed, and whether that was right; empty if not."""
    if evaluation is None or evaluation.condemned_at is None:
        return ""
    found = f"found hopeless at {100 * evaluation.condemned_at:.0f} %"
    if not evaluation.audited:
        return found + _course(evaluation.looks)
    score, limit = experiment.val_bpb, evaluation.threshold
    if experiment.status not in SCORED or score is None:
        return f"{found}, let run to measure that: {experiment.status}, without a score"
    ended = f"let run: ended at {score:.4f}"
    if limit is None:
        return f"{found}, {ended}"
    if score >= limit:
        return f"rightly {found}, {ended}, above {limit:.4f}"
    return f"wrongly {found}, {ended}, below {limit:.4f}"


def look_lines(evaluation: Evaluation) -> list[str]:
    """A table of the looks, 54 columns wide: losses in nats per token, the rest in val-bpb."""
    if not evaluation.looks:
        return []
    lines = [_ALIGN.format(*_COLUMNS)]
    found = False
    for look in evaluation.looks:
        line = _ALIGN.format(
            f"{100 * look.progress:.0f} %",
            *(
                "-" if value is None else f"{value:.3f}"
                for value in (look.level, look.tail, look.forecast, look.spread, look.threshold)
            ),
        )
        condemned = evaluation.condemned_at
        if not found and condemned is not None and look.progress >= condemned:
            found = True
            line += " hopeless"
        lines.append(line)
    return lines


def _course(looks: Sequence[Look]) -> str:
    """How the forecast went from the first look to the last."""
    known = [one.forecast for one in looks if one.forecast is not None]
    if not known:
        return ""
    course = f"{known[0]:.3f}" if len(known) == 1 else f"{known[0]:.3f} → {known[-1]:.3f}"
    return f", forecast {course} over {len(known)} look{'s' * (len(known) > 1)}"
