"""The command `bench clocks`: whether scores spread more beside a busy neighbour."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from arl_tui.commands.reading import AsJson
from arl_tui.output import emit, emit_json, narrate

if TYPE_CHECKING:
    from engine.clock_bench import Fairness, Side
    from engine.events import EngineEvent

_LEGEND = """\
spread: standard deviation of the scores, with its 95 % interval.
waited, others: share of its time that a run waited for a processor, and of the processors that
others used; medians. A study flags more than {waited:.0f} % or {others:.0f} %."""


def clocks(
    replicates: Annotated[int, typer.Option(min=2, max=1000, help="Runs of each kind.")] = 12,
    seconds: Annotated[float, typer.Option(min=0.5, help="CPU seconds of each run.")] = 20.0,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Of each run.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the runs.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train the shipped script on the idle machine and beside processes that use half of it."""
    from arl_tui.commands.failures import told

    with told():
        import anyio

        from arl_tui.bench_progress import BenchProgress
        from engine.clock_bench import measure
        from engine.contention import OTHERS, WAITED

        def announce(event: EngineEvent) -> None:
            if event.type == "warning" or event.data.get("fraction") == 0:
                narrate(event.sentence)

        with BenchProgress("runs", 2 * replicates) as progress:
            main = partial(measure, replicates, seconds, threads, seed, announce, progress.advance)
            found: Fairness = anyio.run(main)
    if as_json:
        flags = {"idle_flagged": found.idle.flagged, "hogged_flagged": found.hogged.flagged}
        head = {"replicates": replicates, "seconds": seconds, "threads": threads}
        emit_json(head | asdict(found) | flags)
        return
    emit(f"{'':<8}{'mean':>8}{'spread':>9}{'interval':>18}{'steps':>8}{'wall s':>8}")
    emit(f"{'waited':>8}{'others':>8}{'flagged':>9}\n")
    for side in (found.idle, found.hogged):
        emit(_line(side))
    ratio = "" if found.ratio_interval is None else _between(found.ratio_interval, ".2f")
    emit(f"\nhogged to idle  spread x {found.ratio:.2f}{ratio}  ")
    emit(f"mean {found.shift:+.2f} sigma{_between(found.shift_interval, '+.2f')}\n")
    narrate(f"\n{found.hogs} busy processes; pairs of runs with the same seed, in turns.")
    narrate(_LEGEND.format(waited=100 * WAITED, others=100 * OTHERS))


def _line(side: Side) -> str:
    low, high = side.interval
    text = f"{side.name:<8}{side.mean:>8.4f}{side.spread:>9.4f}{f'{low:.4f} to {high:.4f}':>18}"
    text += f"{side.steps:>8.1f}{side.wall_seconds:>8.1f}"
    text += f"{_percent(side.waited):>8}{_percent(side.others):>8}"
    return text + f"{'yes' if side.flagged else 'no':>9}\n"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _between(interval: tuple[float, float], form: str) -> str:
    return f" ({interval[0]:{form}} to {interval[1]:{form}})"
