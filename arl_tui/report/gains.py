"""What a study has gained, and how sure that is, in a few sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from arl_tui.output import one_line
from state.kept import Kept
from state.metric import SELF_REPORTED, Metric
from state.read import StudyStatus
from state.records import Experiment, Json

_NORMAL = 1.96  # quantile of a 95 % interval


def fresh_runs(experiments: Sequence[Experiment], epoch_id: int, source_sha: str) -> list[float]:
    """The scores of a source in an epoch that nothing has selected: all but a candidate's own."""
    return [
        run.val_bpb
        for run in experiments
        if run.val_bpb is not None
        and run.epoch_id == epoch_id
        and run.source_sha == source_sha
        and run.kind != "candidate"
    ]


def baseline_of(experiments: Sequence[Experiment], epoch_id: int) -> Experiment | None:
    """The baseline as it was run in an epoch."""
    for run in experiments:
        if run.kind == "baseline" and run.epoch_id == epoch_id:
            return run
    return None


def gain_sentences(
    now: StudyStatus,
    experiments: Sequence[Experiment],
    chain: Sequence[Kept],
    metric: Metric,
    drifts: Sequence[str],
) -> list[str]:
    """The gain, its interval, what it rests on, and what may be wrong with it."""
    if now.epoch is None or not chain:
        return [f"There is no score yet: {one_line(now.reason) or now.state}."]
    if now.best is None or now.best_id is None:
        return [
            f"Conditions have changed, and the best so far, #{chain[-1].experiment.id}, has not "
            "been measured again under the new ones."
        ]
    first = baseline_of(experiments, now.epoch.id)
    best = next(run for run in experiments if run.id == now.best_id)
    score = f"{metric.title} {metric.number(now.best)}"
    if first is None:
        sentences = [f"The best is #{best.id}, {score}."]
    elif first.source_sha == best.source_sha:
        sentences = [f"No edit gained more than the noise: the best is the baseline, {score}."]
    else:
        start, end = (
            fresh_runs(experiments, now.epoch.id, run.source_sha) for run in (first, best)
        )
        sentences = [_gain(now.best, best.id, now.sigma, start, end, metric, bool(drifts))]
    if len(chain) > 1:
        sentences.append(_rule(now.study.settings))
    if drifts:
        sentences.append(
            "Scores moved during the study, so that the baseline's and the best's hardly compare:"
        )
        sentences += [one_line(sentence).rstrip(".") + "." for sentence in drifts]
    if metric.self_reported:
        sentences.append(
            f"The scores are {SELF_REPORTED}: the script computes and prints them itself."
        )
    return sentences


def _gain(
    best: float,
    best_id: int,
    sigma: float | None,
    start: Sequence[float],
    end: Sequence[float],
    metric: Metric,
    drifted: bool,
) -> str:
    baseline = fmean(start)
    gain = metric.gain(baseline, best)
    text = (
        f"From the baseline to #{best_id}, {metric.title} went from {metric.number(baseline)} "
        f"(mean of {_runs(start)}) to {metric.number(best)} (mean of {_runs(end)}): "
        f"{metric.spread(abs(best - baseline), best)} {'lower' if best < baseline else 'higher'}"
    )
    if baseline:
        text += f", {_short(100 * abs(gain / baseline))} %"
    if not sigma:
        return f"{text}. The noise of one run is not known."
    text += f", {_short(abs(gain) / sigma)} times the noise of one run"
    if not drifted and end:
        off = _NORMAL * sigma * math.sqrt(1 / len(start) + 1 / len(end))
        low, high = (metric.spread(edge, best) for edge in (gain - off, gain + off))
        text += f"; 95 % interval of the gain from these runs: {low} to {high}"
    return f"{text}."


def _short(number: float) -> str:
    """Two digits, and all those before the decimal point."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def _runs(scores: Sequence[float]) -> str:
    return f"{len(scores)} run{'s' * (len(scores) != 1)}"


def _rule(settings: Json) -> str:
    rule = settings.get("acceptance") if isinstance(settings, dict) else None
    alpha = rule.get("alpha") if isinstance(rule, dict) else None
    text = "Each kept edit was confirmed by fresh runs"
    if not isinstance(alpha, int | float):
        return f"{text}."
    return (
        f"{text}, by a rule that lets a study keep anything that is no gain with a chance of at "
        f"most {100 * alpha:g} %."
    )
