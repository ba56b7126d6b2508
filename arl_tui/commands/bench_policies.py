"""The command `bench policies`: several policies on the same studies, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arl_tui.commands.reading import AsJson
from arl_tui.exits import CommandError
from arl_tui.output import emit, emit_json, narrate

if TYPE_CHECKING:
    from engine.policy_bench import Contestant, StudyRecord

_USUAL = ("ppo", "local", "random")
_SHIPPED = "shipped"
_RERUNS = 3

Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policies",
        metavar="NAME,...",
        help="Who competes; the others are compared with the first. Options: NAME:KEY=VALUE.",
    ),
]
Studies = Annotated[int, typer.Option(min=1, max=10_000, help="For each policy.")]
Experiments = Annotated[
    int, typer.Option(min=1, max=100_000, help="In each study, besides the baseline.")
]
Seed = Annotated[int, typer.Option(min=0, max=100_000, help="Of the studies.")]
Family = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME,...", help="Families of simulated studies; all unless given."),
]
Target = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Train this script, or `shipped`, instead of simulating."),
]
Budget = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="With --target: T_max; batches with --clock steps."),
]
Clock = Annotated[str | None, typer.Option(help="With --target: wall, cpu or steps.")]
Slots = Annotated[
    str | None, typer.Option(help="With --target: cpu, cpu*2, cuda:0,cuda:1 or auto.")
]
Confirm = Annotated[
    int | None,
    typer.Option(min=0, max=100, help="With --target: fresh runs of each last best; 3."),
]
Workers = Annotated[int, typer.Option(min=1, max=1024, help="Processes for simulated studies.")]
File = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the results.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the curves.")]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Keep what is done here; go on from it."),
]


def policies(
    wanted: Policies = None,
    studies: Studies = 16,
    experiments: Experiments = 100,
    seed: Seed = 0,
    family: Family = None,
    target: Target = None,
    budget: Budget = None,
    clock: Clock = None,
    slots: Slots = None,
    confirm: Confirm = None,
    workers: Workers = 1,
    output: File = None,
    plot: Plot = None,
    resume_file: Resume = None,
    as_json: AsJson = False,
) -> int:
    """Compare policies on the same studies: simulated ones, or real training with --target."""
    from arl_tui.commands.failures import told

    with told():
        from engine import bench_plot
        from engine.policy_bench import contestants, study_seeds
        from engine.real_bench import BenchStopped

        entered = contestants(wanted or [_usual()])
        seeds = study_seeds(seed, studies)
        _require_writable([path for path in (output, plot, resume_file) if path is not None])
        if plot is not None:
            bench_plot.require()
        real = {"--budget": budget, "--clock": clock, "--slots": slots, "--confirm": confirm}
        try:
            if target is None:
                _refuse("works only with --target", real)
                records = _simulated(entered, seeds, experiments, family, workers, resume_file)
            else:
                simulation = {"--family": family, "--workers": None if workers == 1 else workers}
                _refuse("is for simulated studies, without --target", simulation)
                asked = {
                    "target": {"path": None if target == _SHIPPED else target},
                    "budget": {"seconds": budget, "clock": clock},
                    "slots": {"devices": slots},
                }
                reruns = _RERUNS if confirm is None else confirm
                records = _real(entered, seeds, experiments, reruns, asked, resume_file)
        except BenchStopped as stop:
            kept = f"{resume_file} has every training that ended: the same command goes on."
            narrate(f"Stopped. {kept if resume_file else 'Without --resume-file, all is lost.'}")
            return 128 + stop.number
    labels = [contestant.label for contestant in entered]
    head = {
        "target": "simulated" if target is None else target,
        "policies": labels,
        "studies": studies,
        "experiments": experiments,
        "seed": seed,
    }
    _report(records, labels, head, output, plot, as_json)
    return 0


def _usual() -> str:
    import policy

    return ",".join(name for name in _USUAL if name in policy.names())


def _require_writable(paths: Sequence[Path]) -> None:
    """What cannot be written is said now, not after hours."""
    for number, path in enumerate(paths):
        if path.absolute() in [other.absolute() for other in paths[:number]]:
            raise CommandError(f"{path} is named twice: each file needs a name of its own.")
        new = not path.exists()
        try:
            with path.open("ab"):
                pass
            if new:
                path.unlink()
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error


def _refuse(why: str, given: Mapping[str, object]) -> None:
    for option, value in given.items():
        if value is not None:
            raise CommandError(f"{option} {why}.")


def _simulated(
    entered: Sequence[Contestant],
    seeds: Sequence[int],
    experiments: int,
    family: list[str] | None,
    workers: int,
    path: Path | None,
) -> list[StudyRecord]:
    from arl_tui.bench_progress import BenchProgress
    from engine.bench_journal import Journal
    from engine.simulated_bench import chosen_families, plan, run_tasks

    tasks = plan(entered, chosen_families(family), seeds, experiments)

    def finished(record: StudyRecord) -> None:
        progress.advance(f"{record.policy}, {record.problem} {record.seed}")

    with Journal(path, {"target": "simulated"}) as journal:
        if journal.warning:
            narrate(journal.warning)
        with BenchProgress("studies", len(tasks), every=0.05) as progress:
            return run_tasks(tasks, journal, finished, workers=workers)


def _real(
    entered: Sequence[Contestant],
    seeds: Sequence[int],
    experiments: int,
    reruns: int,
    asked: dict[str, Any],
    path: Path | None,
) -> list[StudyRecord]:
    import anyio

    from arl_tui.bench_progress import BenchProgress
    from engine.events import EngineEvent
    from engine.real_bench import RealPlan, bench_target
    from engine.settings import FILE, load_file, merge, validate
    from engine.target_reading import read_target

    own = load_file(Path(FILE)) if Path(FILE).exists() else {}
    # Which script is trained is said on the command line alone.
    settings = validate(merge({**own, "target": {}}, asked), f"{FILE} or the command line")
    text = read_target(settings.target)
    name = Path(settings.target.path or "train.py").name
    plan = RealPlan(tuple(entered), text, name, tuple(seeds), experiments, reruns)

    def announce(event: EngineEvent) -> None:
        if event.type == "warning" or event.data.get("fraction") == 0:
            narrate(event.sentence)

    with BenchProgress("trainings", plan.trainings) as progress:
        main = partial(bench_target, plan, settings, path, announce, progress.advance)
        return anyio.run(main)


def _report(
    records: Sequence[StudyRecord],
    labels: Sequence[str],
    head: dict[str, Any],
    output: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    from arl_tui.bench_tables import cost_lines, legend, result_lines
    from engine import bench_plot
    from engine.bench_report import costs, rows

    kind = "simulated" if records[0].span is not None else "real"
    found, spent = rows(records, labels, head["experiments"]), costs(records, labels)
    body = {
        **head,
        "unit": "sigma from the baseline, negative is better" if kind == "simulated" else "val-bpb",
        "compared": "regret" if kind == "simulated" else "val-bpb",
        "rows": [asdict(row) for row in found],
        "costs": [asdict(cost) for cost in spent],
        "records": [asdict(record) for record in records],
    }
    if output is not None:
        output.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if plot is not None:
        bench_plot.draw(records, labels, plot)
    if as_json:
        emit_json(body)
        return
    emit("\n".join([*result_lines(found, kind), "", *cost_lines(spent)]) + "\n")
    narrate(legend(kind, labels[0]))
