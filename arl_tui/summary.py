"""What a person wants to know at the end of a run, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arl_tui.tables import score_cell
from state.metric import Metric
from state.read import Reader


def summary_lines(reader: Reader, start: Path) -> list[str]:
    """Baseline, noise, best, the gain in units of the noise, the kept edits, where to look next."""
    now = reader.status()
    metric = Metric.of(now.study)
    lines = ["", f"{now.experiments} experiments: {_counts(now.counts)}."]
    if now.baseline is None or now.best is None:
        return [*lines, f"There is no score yet: {now.reason or now.state}."]
    noise = "not known" if now.sigma is None else metric.spread(now.sigma, now.baseline)
    lines.append(f"Baseline   {metric.marked} {metric.number(now.baseline)}")
    lines.append(f"Noise      {noise} (standard deviation of one run)")
    kept = [e for e in reader.history(status="keep") if e.kind == "candidate"]
    if not kept:
        lines.append("Best       the baseline: no edit gained more than the noise.")
    else:
        gain = metric.gain(now.baseline, now.best)
        units = f", {gain / now.sigma:.1f} sigma" if now.sigma else ""
        best = f"{metric.title} {metric.number(now.best)} (#{now.best_id})"
        by = f"{metric.spread(gain, now.best)} {metric.better}{units}"
        lines.append(f"Best       {best}: {by}")
        lines.append("Kept edits")
        lines += [f"  #{e.id}  {e.summary}: {e.reason}" for e in kept]
    lines += [f"Open       {sentence}." for sentence in open_candidates(reader, metric)]
    where = _option(reader.folder.path, start)
    lines += [
        "",
        "Next:",
        f"  arl-tui history{where}            every experiment",
        f"  arl-tui diff best{where}          what changed from the baseline",
        f"  arl-tui best{where} -o train.py   take the best script home",
        f"  arl-tui run --headless{where} --max-hours 8   go on for a night",
    ]
    return lines


def open_candidates(reader: Reader, metric: Metric) -> list[str]:
    """A sentence for each candidate that the end of a run has left undecided."""
    return [
        f"#{experiment.id} {experiment.summary}: {metric.title} "
        f"{score_cell(experiment, metric)} once, not confirmed yet; a longer run would"
        for experiment in reader.history(status="discard")
        if "are to confirm" in experiment.reason
    ]


def _counts(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in counts.items() if number)


def _option(folder: Path, start: Path) -> str:
    return "" if folder == start / ".arl" else f" --study {folder}"
