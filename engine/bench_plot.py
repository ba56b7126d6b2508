"""The curves of a bench as a picture. Needs matplotlib (the extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.policy_bench import BenchError, StudyRecord

_DASHES = ("-", "--", "-.", ":")  # not told apart by colour alone


def require() -> None:
    """Raises BenchError where there is no matplotlib."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise BenchError(
            "A plot needs matplotlib: pip install 'arl-tui[plot]', or leave out --plot."
        ) from error


def draw(records: Sequence[StudyRecord], labels: Sequence[str], path: Path) -> None:
    """Write a PNG: each policy's median over the studies, with a band between its quartiles."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)  # no display is needed
    axes = figure.add_subplot()
    studies = 0
    for number, label in enumerate(labels):
        curves = [_curve(record) for record in records if record.policy == label]
        studies = len(curves)
        low, middle, high = np.quantile(np.array(curves), (0.25, 0.5, 0.75), axis=0)
        steps = np.arange(len(middle))
        (line,) = axes.step(
            steps, middle, where="post", label=label, linestyle=_DASHES[number % len(_DASHES)]
        )
        axes.fill_between(steps, low, high, step="post", alpha=0.15, color=line.get_color())
    simulated = records[0].span is not None
    axes.set_xlabel("experiments")
    axes.set_ylabel(
        "regret share of the incumbent (lower is better)"
        if simulated
        else "val-bpb of the incumbent (lower is better)"
    )
    axes.set_title(f"Median of {studies} studies; band: quartiles")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, format="png", dpi=150)


def _curve(record: StudyRecord) -> list[float]:
    """The curve on the scale on which policies are compared."""
    regrets = [record.regret(after) for after in range(len(record.curve))]
    known = [regret for regret in regrets if regret is not None]
    return known or list(record.curve)
