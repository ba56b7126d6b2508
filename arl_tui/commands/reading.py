"""The commands that read a study and change nothing: status, history, show, diff, best."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from arl_tui import tables
from arl_tui.comparison import own_diff, source_diff
from arl_tui.exits import CommandError, Exit
from arl_tui.output import emit_json, emit_script, emit_styled, narrate
from arl_tui.prior_table import prior_lines
from arl_tui.summary import open_candidates
from arl_tui.writing import write_whole
from state.folder import find_folder
from state.metric import SELF_REPORTED, Metric
from state.read import Reader
from state.records import KINDS, STATUSES, Experiment, Incumbent
from state.watch import Watcher

Study = Annotated[
    Path | None,
    typer.Option("--study", metavar="DIR", help="The study's folder (default: . or ./.arl)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An experiment's number, or `best`.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to this file, not to stdout."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (status, history, show, diff, best):
        app.command()(command)


def status(study: Study = None, as_json: AsJson = False) -> None:
    """Say where the study stands."""
    watcher = Watcher(find_folder(study))
    with watcher:
        now = watcher.status()
        panels = watcher.panels()
        ended = now.engine_pid is None  # a running engine decides about them itself
        undecided = open_candidates(watcher, Metric.of(now.study)) if ended else []
    panel, selfeval = panels.get("oracle"), panels.get("selfeval")
    oracle = panel.get("readings", []) if isinstance(panel, dict) else []
    if as_json:
        emit_json(
            {
                "name": now.study.name,
                "id": now.study.id,
                "state": now.state,
                "reason": now.reason,
                "experiments": now.experiments,
                "counts": now.counts,
                "baseline": now.baseline,
                "best": now.best,
                "best_id": now.best_id,
                "sigma": now.sigma,
                "metric": now.study.metric,
                "direction": now.study.direction,
                "self_reported": Metric.of(now.study).self_reported,
                "policy": now.study.policy,
                "target": now.study.target_name,
                "target_kind": now.study.target_kind,
                "seed": now.study.seed,
                "created_at": now.study.created_at,
                "epoch": None if now.epoch is None else asdict(now.epoch),
                "engine_pid": now.engine_pid,
                "contention": now.contention,
                "oracle": oracle,
                "selfeval": selfeval,
            }
        )
    else:
        emit_styled(tables.status_lines(now, oracle, selfeval, undecided))


def history(
    study: Study = None,
    status: Annotated[
        str | None, typer.Option("--status", help="Only experiments with this status.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only experiments of this kind.")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", min=1, metavar="N", help="Only the last N of them.")
    ] = None,
    prior: Annotated[
        bool, typer.Option("--prior", help="Only what was tried before the study.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the experiments, oldest first."""
    if prior:
        _prior(study, last, as_json)
        return
    chosen_status = _one_of("status", status, STATUSES)
    chosen_kind = _one_of("kind", kind, KINDS)
    with _reader(study) as reader:
        epoch = reader.epoch()
        incumbent = reader.best()
        metric = Metric.of(reader.study())
        found = reader.history(status=chosen_status, kind=chosen_kind, last=last)
        drifts = {e.data["first_id"]: e.data["sentence"] for e in reader.events(type_="drift")}
        everything = status is None and kind is None and last is None
        before = reader.prior_results() if everything and not as_json else []
        described = reader.study()
    epoch_id = None if epoch is None else epoch.id
    if as_json:
        emit_json([_as_dict(experiment, epoch_id) for experiment in found])
        return
    best_id = None if incumbent is None else incumbent.experiment_id
    if before:
        shown = prior_lines(before, described, tables.width(), last=20)
        emit_styled([*shown, Text()])
    emit_styled(tables.history_lines(found, best_id, epoch_id, drifts, metric))
    if not found:
        narrate("No experiments.")


def show(
    experiment: Id,
    study: Study = None,
    whole_log: Annotated[
        bool, typer.Option("--log", help="Print the whole kept log, not only its end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one experiment: its edit and reason, what it scored, its diff and the log's end."""
    with _reader(study) as reader:
        found = reader.experiment(_resolve(reader, experiment))
        found = replace(found, diff=own_diff(reader, found))
        epoch = reader.epoch()
        log = reader.log(found.id)
        evaluation = reader.evaluation(found.id)
        metric = Metric.of(reader.study())
        if as_json:
            extra = {
                "evaluation": None if evaluation is None else asdict(evaluation),
                "diff": found.diff,
                "curve": reader.curve(found.id),
                "log": log,
                "source": reader.source(found.source_sha),
            }
            emit_json(_as_dict(found, epoch.id if epoch else None) | extra)
            return
    emit_styled(tables.experiment_lines(found, log, whole_log, evaluation, metric))


def diff(experiment: Id, study: Study = None, as_json: AsJson = False) -> None:
    """Print an experiment's diff; `diff best` goes from the baseline to the best so far."""
    with _reader(study) as reader:
        found = reader.experiment(_resolve(reader, experiment))
        if experiment == "best":
            from_id: int | None = 0
            text = source_diff(reader, reader.experiment(0), found)
        else:
            from_id, text = found.parent_id, own_diff(reader, found)
    if as_json:
        emit_json({"id": found.id, "from_id": from_id, "diff": text})
    elif text:
        emit_script(text)
    elif experiment == "best":
        narrate("The baseline is still the best: there is no difference.")
    else:
        narrate(f"Experiment {found.id} is a {found.kind}, which edits nothing.")


def best(
    study: Study = None, output: Output = None, force: Force = False, as_json: AsJson = False
) -> None:
    """Print the best source so far, or write it to a file."""
    from target.source import encode

    with _reader(study) as reader:
        incumbent = _best(reader)
        found = reader.experiment(incumbent.experiment_id)
        source = reader.source(found.source_sha)
        epoch = reader.epoch()
        metric = Metric.of(reader.study())
    score = metric.number(incumbent.score)
    said = f"{score} val-bpb" if metric.is_bpb else f"{metric.title} {score}"
    said += f" ({SELF_REPORTED})" if metric.self_reported else ""
    if output is not None:
        write_whole(output, encode(source), force)
        narrate(f"Experiment {found.id}, {said}, is now in {output}.")
    if as_json:
        emit_json(
            {
                "id": found.id,
                "val_bpb": incumbent.score,
                "sigma": incumbent.sigma,
                "metric": metric.name,
                "direction": metric.direction,
                "self_reported": metric.self_reported,
                "comparable": epoch is not None and epoch.id == incumbent.epoch_id,
                "summary": found.summary,
                "source_sha": found.source_sha,
                "source": source,
            }
        )
    elif output is None:
        emit_script(source, encode(source))


def _reader(study: Path | None) -> Reader:
    return Reader(find_folder(study))


def _best(reader: Reader) -> Incumbent:
    incumbent = reader.best()
    if incumbent is None:
        raise CommandError(
            "There is no best experiment yet: the baseline has not been scored.", Exit.NOT_FOUND
        )
    return incumbent


def _resolve(reader: Reader, text: str) -> int:
    """The id of the experiment that a person names by its number or as `best`."""
    if text == "best":
        return _best(reader).experiment_id
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise CommandError(f"{text!r} is no experiment: give its number, or `best`.")
    return int(digits)


def _as_dict(experiment: Experiment, epoch_id: int | None) -> dict[str, Any]:
    """An experiment for scripts, without its longer texts."""
    values = asdict(experiment)
    del values["diff"], values["process"]
    values["comparable"] = values["epoch_id"] == epoch_id
    return values


def _one_of(name: str, value: str | None, allowed: tuple[Any, ...]) -> Any:
    if value is not None and value not in allowed:
        raise CommandError(f"There is no {name} {value!r}: it is one of {', '.join(allowed)}.")
    return value


def _prior(study: Path | None, last: int | None, as_json: bool) -> None:
    """List what was tried before the study."""
    with _reader(study) as reader:
        found = reader.prior_results()
        described = reader.study()
    if as_json:
        emit_json([asdict(result) for result in (found if last is None else found[-last:])])
    elif found:
        emit_styled(prior_lines(found, described, tables.width(), last))
    else:
        narrate("No results of before this study were given to it.")
