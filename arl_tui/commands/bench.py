"""The commands that measure the program itself, `bench` and its subcommands."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from arl_tui.acceptance_tables import (
    DRIFT_HEADING,
    DRIFT_LEGEND,
    RULES_LEGEND,
    drift_line,
    rule_heading,
    rule_line,
)
from arl_tui.commands.bench_clocks import clocks
from arl_tui.commands.bench_policies import policies
from arl_tui.commands.bench_selfeval import selfeval
from arl_tui.commands.reading import AsJson
from arl_tui.duty_table import DUTY_LEGEND, duty_lines
from arl_tui.exits import CommandError
from arl_tui.oracle_table import HEADING, LEGEND, line
from arl_tui.output import emit, emit_json, narrate

bench = typer.Typer(name="bench", help="Measure the program itself.")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    bench.command()(clocks)
    bench.command()(policies)
    bench.command()(selfeval)
    app.add_typer(bench)


@bench.callback(invoke_without_command=True)
def _bench(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        emit(context.get_help() + "\n")


@bench.command()
def acceptance(
    studies: Annotated[int, typer.Option(min=1, max=1_000_000, help="For each number.")] = 2000,
    edits: Annotated[int, typer.Option(min=1, max=100_000, help="In each study.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 0,
    table: Annotated[str, typer.Option(help="rules, drift, or both.")] = "both",
    as_json: AsJson = False,
) -> None:
    """Simulate the keep rule beside naive ones, and what the drift test finds."""
    from engine.acceptance_bench import simulate
    from engine.drift_bench import simulate_drifts

    if table not in ("rules", "drift", "both"):
        raise CommandError(f"There is no table {table!r}: it is rules, drift or both.")
    narrate(f"{studies:,} studies of {edits:,} edits for each number, seed {seed}.")
    rows = simulate(studies, edits, seed) if table != "drift" else ()
    drifts = simulate_drifts(studies, edits, seed) if table != "rules" else ()
    if as_json:
        found = {"rows": [asdict(row) for row in rows], "drifts": [asdict(row) for row in drifts]}
        emit_json({"studies": studies, "edits": edits, "seed": seed} | found)
        return
    if table != "drift":
        emit(rule_heading())
        for row in rows:
            emit(rule_line(row))
        narrate(RULES_LEGEND)
    if table != "rules":
        emit(DRIFT_HEADING)
        for drift in drifts:
            emit(drift_line(drift))
        narrate(DRIFT_LEGEND)


@bench.command()
def duty(
    experiments: Annotated[int, typer.Option(min=4, max=10_000, help="Of each loop.")] = 12,
    seconds: Annotated[float, typer.Option(min=0.1, help="CPU seconds, the budget.")] = 10.0,
    as_json: AsJson = False,
) -> int:
    """Train with the engine, and in a plain loop that starts `python train.py` afresh."""
    from arl_tui.commands.failures import told

    with told():
        from arl_tui.bench_progress import BenchProgress
        from engine.duty_bench import DutyStopped, as_dict, measure

        try:
            with BenchProgress("experiments", 2 * experiments) as progress:
                engine, plain = measure(experiments, seconds, progress.advance)
        except DutyStopped as stop:
            narrate("Stopped: there is nothing to report.")
            return 128 + stop.number
    if as_json:
        head = {"experiments": experiments, "seconds": seconds}
        emit_json(head | {"engine": as_dict(engine), "plain_loop": as_dict(plain)})
        return 0
    emit("\n".join(duty_lines(engine, plain)) + "\n")
    narrate(DUTY_LEGEND)
    return 0


@bench.command()
def latency(
    name: Annotated[str, typer.Option("--policy", help="Whom to ask.")] = "ppo",
    sites: Annotated[int, typer.Option(min=1, max=10_000, help="Of the script.")] = 40,
    experiments: Annotated[int, typer.Option(min=1, max=100_000, help="Asks and tells.")] = 60,
    as_json: AsJson = False,
) -> None:
    """Time a policy's asks and tells, its updates among them, on a made-up script."""
    from arl_tui.commands.failures import told

    with told():
        from engine.policy_latency import measure

        rows = measure(name, sites, experiments)
    if as_json:
        emit_json(
            {"policy": name, "sites": sites, "experiments": experiments}
            | {row.call: asdict(row) for row in rows}
        )
        return
    emit(f"{'ms':<6}{'median':>9}{'90 %':>9}{'longest':>9}\n")
    for row in rows:
        emit(f"{row.call:<6}{row.median:>9.1f}{row.p90:>9.1f}{row.longest:>9.1f}\n")


@bench.command()
def oracle(
    studies: Annotated[int, typer.Option(min=1, max=100_000, help="Of each kind.")] = 2000,
    tries: Annotated[int, typer.Option(min=1, max=100_000, help="In each, at most.")] = 5000,
    ahead: Annotated[int, typer.Option(min=1, max=100_000, help="N: how far it looks.")] = 50,
    delta: Annotated[float, typer.Option(min=0.001, max=0.5, help="The chance to stop at.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Simulate the convergence rule beside others: how often it stops a study too early."""
    from engine.convergence import needed
    from engine.oracle_bench import simulate
    from engine.settings import Convergence

    rule = Convergence(experiments=ahead, delta=delta)
    narrate(
        f"{studies:,} studies of each kind, {tries:,} tries at most, N {ahead}, delta {delta:g}: "
        f"no stop before {needed(rule):,} tries without a gain; seed {seed}."
    )
    rows = simulate(studies, tries, seed, rule)
    if as_json:
        about = {"studies": studies, "tries": tries, "seed": seed, "needed": needed(rule)}
        emit_json(about | rule.model_dump() | {"rows": [asdict(row) for row in rows]})
        return
    emit(HEADING)
    for row in rows:
        emit(line(row))
    narrate(LEGEND)


@bench.command()
def sandbox(
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Starts of each kind.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Time what the sandbox adds to an experiment."""
    from arl_tui.commands.failures import told

    with told():
        from engine.sandbox_bench import PROCESSES, measure

        rows = measure(rounds)
    if as_json:
        emit_json({"rounds": rounds, "processes": PROCESSES, "rows": [asdict(r) for r in rows]})
        return
    emit(f"{'ms per process':<20}{'median':>9}{'90 %':>9}{'more':>9}{'per trial':>11}\n")
    for row in rows:
        emit(f"{row.layers:<20}{row.median:>9.1f}{row.p90:>9.1f}{row.more:>9.1f}")
        emit(f"{PROCESSES * row.more:>11.1f}\n")
    narrate(
        "more: than without a sandbox, the median of the differences within a round.\n"
        f"per trial: {PROCESSES} processes, one that trains and two that are scored."
    )


@bench.command()
def viewer(
    experiments: Annotated[int, typer.Option(min=10, help="Of the made-up study.")] = 10_000,
    starts: Annotated[int, typer.Option(min=1, help="Times that it is attached.")] = 7,
    seconds: Annotated[float, typer.Option(min=1, help="Of watching, each time.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Start the screen on a made-up study: time to the first picture, CPU, bytes per second."""
    import tempfile
    from pathlib import Path

    from arl_tui.viewer_bench import measure

    with tempfile.TemporaryDirectory(prefix="arl-tui-bench-") as folder:
        result = measure(Path(folder), experiments, starts, seconds, narrate)
    if as_json:
        emit_json(asdict(result))
        return
    emit(f"attach to first picture  {1000 * result.attach:.0f} ms (median of {starts}; ")
    low, high = min(result.attach_seconds), max(result.attach_seconds)
    emit(f"{1000 * low:.0f} to {1000 * high:.0f})\n")
    for name, cost in (
        ("nothing changes", result.quiet),
        ("two reports a second", result.live),
        ("with --low-bandwidth", result.low_bandwidth),
    ):
        emit(f"{name:<23}{100 * cost.core:6.2f} % of a core {cost.kib_per_second:6.2f} KiB/s\n")
