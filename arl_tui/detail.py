"""Everything about one experiment that the history shows, read at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from rich.text import Text

from arl_tui.evaluation_text import verdict
from arl_tui.output import one_line
from arl_tui.tables import contention, delta_cell, relation, status_style
from engine.contention import contended
from state.metric import SELF_REPORTED, VAL_BPB, Metric
from state.read import Reader
from state.records import Evaluation, Experiment, Point


@dataclass(frozen=True)
class Detail:
    """An experiment with its curve, log and source, and what self-evaluation saw of it."""

    experiment: Experiment
    curve: Sequence[Point]
    log: str
    source: str
    evaluation: Evaluation | None = None
    metric: Metric = VAL_BPB


def read_detail(reader: Reader, experiment_id: int) -> Detail:
    """Read an experiment. Raises NoSuchExperiment."""
    experiment = reader.experiment(experiment_id)
    return Detail(
        experiment,
        reader.curve(experiment_id),
        reader.log(experiment_id),
        reader.source(experiment.source_sha),
        reader.evaluation(experiment_id),
        Metric.of(reader.study()),
    )


def head_lines(
    experiment: Experiment,
    no_color: bool = False,
    evaluation: Evaluation | None = None,
    metric: Metric = VAL_BPB,
) -> list[Text]:
    """What the experiment did and how it ended, the most important first."""
    e = experiment
    lines = [
        Text.assemble(
            (f"#{e.id}", "bold"),
            f" {e.kind}{relation(e)}  ",
            (e.status, status_style(e.status, no_color)),
        )
    ]
    if e.val_bpb is not None:
        lines[0].append(f"  {metric.quantity(e.val_bpb)}", "bold")
    if e.delta is not None:
        lines[0].append(f"  {delta_cell(e, metric)}")
    if e.val_bpb is not None and metric.self_reported:
        lines[0].append(f"  {SELF_REPORTED}")
    if e.seconds is not None:
        lines[0].append(f"  {e.seconds:.0f} s", "dim")
    if contended(e):
        lines[0].append(f"  {contention(e)}", "yellow")
    rows = (
        ("reason", e.reason),
        ("looks", verdict(e, evaluation, metric)),
        ("edit", e.summary),
        ("why", e.why),
    )
    for name, text in rows:
        if text:
            lines.append(Text.assemble((f"{name:<7}", "dim"), one_line(text)))
    return lines


def curve_line(curve: Sequence[Point]) -> str:
    """A loss curve in words."""
    losses = [loss for _, _, loss in curve if loss is not None]
    if not losses:
        return "no loss curve"
    return f"loss {losses[0]:.3f} → {losses[-1]:.3f} after {curve[-1][1]:,} steps"


def file_name(target_name: str, experiment_id: int) -> str:
    """How a file with the source of an experiment is called, unless a person knows better."""
    path = PurePath(target_name)
    return f"{path.stem}-{experiment_id}{path.suffix}"
