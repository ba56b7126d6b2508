"""The commands that run experiments: run, demo, try."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from arl_tui.commands.reading import AsJson, Study
from arl_tui.commands.viewing import LowBandwidth, is_terminal, open_study, refuse_taken
from arl_tui.exits import CommandError, Exit
from arl_tui.output import emit, emit_json, narrate
from state.folder import StudyFolder, find_folder
from state.read import Reader

Headless = Annotated[bool, typer.Option("--headless", help="Run in this process, as lines.")]
Supervised = Annotated[
    bool | None,
    typer.Option("--supervised/--unsupervised", help="A person approves each edit, or nobody."),
]
Target = Annotated[str | None, typer.Option(metavar="FILE", help="The script to edit.")]
PolicyName = Annotated[str | None, typer.Option("--policy", help="Who proposes edits.")]
BudgetSeconds = Annotated[
    float | None,
    typer.Option("--budget", metavar="SECONDS", help="T_max; batches with --clock steps."),
]
Clock = Annotated[str | None, typer.Option(help="wall, cpu or steps.")]
MaxExperiments = Annotated[
    int | None, typer.Option(help="Stop after this many, baseline and replicates included.")
]
MaxHours = Annotated[float | None, typer.Option(help="Stop after this many hours.")]
MaxDeviceHours = Annotated[
    float | None, typer.Option(help="Stop after experiments occupied devices for so long.")
]
MaxKwh = Annotated[float | None, typer.Option(help="Stop after the devices have used this much.")]
PricePerHour = Annotated[float | None, typer.Option(help="Of the machine, in any currency.")]
MaxCost = Annotated[float | None, typer.Option(help="Stop after this much, in the same.")]
TargetBpb = Annotated[float | None, typer.Option(help="Stop once the incumbent scores this.")]
NoConvergence = Annotated[
    bool, typer.Option("--no-convergence", help="Go on however unlikely a gain has become.")
]
Seed = Annotated[int | None, typer.Option(help="The study's seed.")]
Slots = Annotated[str | None, typer.Option(help="cpu, cpu*2, cuda:0,cuda:1 or auto.")]
DataDir = Annotated[
    str | None, typer.Option("--data", metavar="DIR", help="Text: .parquet, .jsonl or .txt.")
]
Hub = Annotated[str | None, typer.Option(metavar="DATASET", help="Text from the hub.")]

DEMO_AFTER_BASELINE = 12
_FAULTS = {  # criteria of the oracle that say that something is wrong
    "disk": Exit.DISK_FULL,
    "memory": Exit.LOW_MEMORY,
    "failures": Exit.FAILURES,
    "re-runs": Exit.FAILURES,
    "frozen files": Exit.EPOCH_CHANGED,
}


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(run)
    app.command(hidden=True)(demo)
    app.command("try")(attempt)


def run(
    study: Study = None,
    headless: Headless = False,
    target: Target = None,
    policy: PolicyName = None,
    budget: BudgetSeconds = None,
    clock: Clock = None,
    max_experiments: MaxExperiments = None,
    max_hours: MaxHours = None,
    max_device_hours: MaxDeviceHours = None,
    max_kwh: MaxKwh = None,
    price_per_hour: PricePerHour = None,
    max_cost: MaxCost = None,
    target_bpb: TargetBpb = None,
    no_convergence: NoConvergence = False,
    seed: Seed = None,
    slots: Slots = None,
    data: DataDir = None,
    hub: Hub = None,
    rebaseline: Annotated[
        bool, typer.Option("--rebaseline", help="Measure baseline and incumbent anew.")
    ] = False,
    supervised: Supervised = None,
    low_bandwidth: LowBandwidth = False,
    as_json: AsJson = False,
) -> int:
    """Run the study, or go on with it, until the termination oracle ends it.

    On a terminal the engine runs by itself and the screen shows it; with --headless, or where
    there is no terminal, it runs in this process and prints lines.
    """
    limits = {
        "max_experiments": max_experiments,
        "max_hours": max_hours,
        "max_device_hours": max_device_hours,
        "max_kwh": max_kwh,
        "price_per_hour": price_per_hour,
        "max_cost": max_cost,
        "target_bpb": target_bpb,
    }
    asked = {
        "seed": seed,
        "target": {"path": target},
        "policy": {"name": policy},
        "budget": {"seconds": budget, "clock": clock},
        "limits": limits | ({"convergence": False} if no_convergence else {}),
        "slots": {"devices": slots},
        "data": {"dir": data, "hub": hub},
        "review": {"supervised": supervised},
    }
    folder = find_folder(study)
    if headless or as_json or not is_terminal():
        return _run(folder, asked, rebaseline, as_json)
    refuse_taken(folder)
    options = {
        "--target": target,
        "--policy": policy,
        "--budget": budget,
        "--clock": clock,
        "--seed": seed,
        "--slots": slots,
        "--data": data,
        "--hub": hub,
        **{f"--{name.replace('_', '-')}": limit for name, limit in limits.items()},
    }
    words = [
        word for name, value in options.items() if value is not None for word in (name, str(value))
    ]
    words += ["--rebaseline"] if rebaseline else []
    words += ["--no-convergence"] if no_convergence else []
    words += [] if supervised is None else ["--supervised" if supervised else "--unsupervised"]
    return open_study(folder, asked, words, wait=False, low_bandwidth=low_bandwidth)


def demo(as_json: AsJson = False) -> int:
    """The main job on the embedded text: 12 experiments after the baseline, then a summary."""
    folder = find_folder(Path(".arl"))
    asked = {"limits": {"max_after_baseline": DEMO_AFTER_BASELINE}}
    code = _run(folder, asked, False, as_json)
    if not as_json and code == Exit.OK:
        from arl_tui.summary import summary_lines

        with Reader(folder) as reader:
            emit("\n".join(summary_lines(reader, Path.cwd())) + "\n")
    return code


def attempt(
    file: Annotated[Path, typer.Argument(help="The candidate: a train.py.")],
    budget: BudgetSeconds = None,
    clock: Clock = None,
    slots: Slots = None,
    seed: Seed = None,
    data: DataDir = None,
    hub: Hub = None,
    as_json: AsJson = False,
) -> int:
    """Gate, train and score one candidate by hand; touches no study."""
    from arl_tui.commands.failures import told

    with told():
        from arl_tui.headless import Headless as Printer
        from arl_tui.layers import settings_here
        from engine.attempt import run_attempt
        from engine.events import EngineEvent
        from engine.score_words import ScoreWords, metric_of
        from target import source

        asked = {
            "seed": seed,
            "budget": {"seconds": budget, "clock": clock},
            "slots": {"devices": slots},
            "data": {"dir": data, "hub": hub},
        }
        settings = settings_here(asked)
        words = ScoreWords(metric_of(settings))
        text = source.read(file.expanduser())
        with Printer(as_json=False) as printer:

            def announce(event: EngineEvent) -> None:
                printer.bar_only(event)
                if event.type == "warning":
                    narrate(event.sentence)

            result = _blocking(partial(run_attempt, text, settings, announce))
    if as_json:
        emit_json(
            {
                "status": result.status,
                "reason": result.reason,
                "val_bpb": words.raw(result.val_bpb),
                "metric": words.metric.name,
                "direction": words.metric.direction,
                "self_reported": words.metric.self_reported,
                "seconds": result.seconds,
                "wall_seconds": result.wall_seconds,
                "startup_seconds": result.startup_seconds,
                "score_seconds": result.score_seconds,
                "steps": result.steps,
                "peak_memory_mb": result.peak_memory_mb,
                "contention": result.contention,
                "other_load": result.other_load,
            }
        )
    elif result.val_bpb is not None:
        score = words.marked(result.val_bpb)
        steps = f", {result.steps} steps" if result.steps else ""  # a command may not tell
        emit(f"{score} after {result.seconds:.1f} s{steps}\n")
    else:
        emit(f"{result.status}: {result.reason}\n")
    return Exit.OK if result.val_bpb is not None else Exit.TARGET


def _run(folder: StudyFolder, asked: Mapping[str, Any], rebaseline: bool, as_json: bool) -> int:
    from arl_tui.commands.failures import told

    with told():
        from arl_tui.headless import Headless as Printer
        from arl_tui.layers import settings_of
        from engine.study import run_study

        settings = settings_of(folder, asked)
        with Printer(as_json) as printer:
            ending, received = _blocking(
                partial(run_study, folder, settings, printer.announce, rebaseline=rebaseline)
            )
    if received:
        return 128 + int(received)
    if ending.criterion in _FAULTS:
        raise CommandError(f"Stopped: {ending.reason}.", _FAULTS[ending.criterion])
    return Exit.OK


def _blocking(main: Any) -> Any:
    import anyio

    return anyio.run(main)
