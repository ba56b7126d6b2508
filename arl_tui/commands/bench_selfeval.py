"""The command `bench selfeval`: recorded studies replayed with and without early aborts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arl_tui.commands.reading import AsJson
from arl_tui.exits import CommandError
from arl_tui.output import emit, emit_json, narrate

if TYPE_CHECKING:
    from engine.selfeval_bench import Row

HEADING = (
    f"{'rule':<9}{'runs':>5}{'aborted':>8}{'speed':>6}{'slowest':>8}{'later':>6}"
    f"{'good':>5}{'false':>6}{'%':>5}{'runs':>6}{'worse':>8}{'worst':>8}\n"
)
LEGEND = """\
runs, aborted: experiments per replay, and how many of them were ended early.
speed: experiments per unit of training, in those without aborts; slowest: in the worst
  replay; later: after the first 30 runs, which serve as evidence.
good: runs of all replays that would have ended below the best score of the time; false: of
  these, aborted, and in %; then how many different runs that were: one recorded run comes
  up in many replays.
worse: by how much the best score that was found lies above the one found without
  aborts, in bits per byte: the mean over the replays, and the worst replay."""


def selfeval(
    replays: Annotated[int, typer.Option(min=1, max=10_000, help="Random orders.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of the orders.")] = 0,
    curves: Annotated[
        Path | None, typer.Option(help="Recorded curves; by default those that come along.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay recorded loss curves: what early aborts save and cost, beside other rules."""
    from engine.recorded_curves import load
    from engine.selfeval_bench import replay_all

    try:
        runs = load(curves)
    except (OSError, ValueError) as error:
        raise CommandError(f"There are no recorded curves in {curves}: {error}.") from error
    scored = [run for run in runs if run.score is not None]
    if not any(run.is_baseline for run in scored) or len(scored) < 60:
        raise CommandError(f"{curves} has too few curves to replay: 60 are needed.")
    narrate(
        f"{len(scored)} recorded runs of {scored[0].budget:g} CPU s; "
        f"{replays} replays, seed {seed}."
    )
    rows = replay_all(runs, replays, seed)
    if as_json:
        emit_json({"runs": len(scored), "replays": replays, "rows": [asdict(row) for row in rows]})
        return
    emit(HEADING)
    for row in rows:
        emit(line(row))
    narrate(LEGEND)


def line(row: Row) -> str:
    """One rule over all replays."""
    share = 100 * row.false / row.good if row.good else 0.0
    return (
        f"{row.rule:<9}{row.experiments:>5.0f}{row.aborted:>8.1f}{row.speed:>6.2f}"
        f"{row.slowest:>8.2f}{row.later:>6.2f}{row.good:>5}{row.false:>6}{share:>5.1f}"
        f"{f'{row.false_runs}/{row.good_runs}':>6}"
        f"{row.worse:>+8.4f}{row.worst:>+8.4f}\n"
    )
