"""`arl-tui export tsv|json|git|html`: a study in forms that other people and tools can use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from arl_tui.commands.reading import AsJson, Force, Output, Study
from arl_tui.exits import CommandError, Exit
from arl_tui.output import emit, emit_json, narrate
from arl_tui.writing import write_whole
from state.archive import Archive
from state.export import results_tsv, tsv_rows
from state.export_json import study_json
from state.folder import find_folder
from state.read import Reader

WithSources = Annotated[
    bool, typer.Option("--sources", help="With the text of every source, by its SHA-256.")
]
Branch = Annotated[
    str | None,
    typer.Option("--branch", metavar="NAME", help="The branch (default: arl/ and the name)."),
]
Place = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="The target's file in a git repository."),
]

exports = typer.Typer(help="Export the study for other people and tools.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (tsv, json, git, html):
        exports.command()(command)
    app.add_typer(exports, name="export")


@exports.callback(invoke_without_command=True)
def _formats(context: typer.Context) -> None:
    """Export the study for other people and tools."""
    if context.invoked_subcommand is None:
        raise CommandError("Say what to export: tsv, json, git or html.")


def tsv(
    study: Study = None, output: Output = None, force: Force = False, as_json: AsJson = False
) -> None:
    """The history as a results.tsv, with karpathy/autoresearch's columns."""
    with Reader(find_folder(study)) as reader:
        experiments = reader.history()
        metric = reader.study().metric
    if output is not None:
        write_whole(output, results_tsv(experiments, metric).encode("utf-8"), force)
    if as_json:
        emit_json(tsv_rows(experiments, metric))
    elif output is None:
        emit(results_tsv(experiments, metric))


def json(
    study: Study = None, output: Output = None, force: Force = False, sources: WithSources = False
) -> None:
    """The whole study as one JSON object."""
    with Archive(find_folder(study)) as archive:
        _hand_over(study_json(archive, sources=sources), output, force)


def git(
    study: Study = None, branch: Branch = None, file: Place = None, as_json: AsJson = False
) -> None:
    """Each kept edit as a commit on a branch of its own."""
    from arl_tui.commands.failures import told

    with told():
        from engine.git_branch import update_branch

        target = None if file is None else str(file.expanduser().absolute())
        with Reader(find_folder(study)) as reader:
            done = update_branch(reader, target=target, branch=branch)
    if done is None:
        raise CommandError(
            "There is nothing to commit yet: the baseline has not been scored.", Exit.NOT_FOUND
        )
    if as_json:
        emit_json(
            {
                "branch": done.branch,
                "repository": str(done.repository),
                "path": done.path,
                "commit": done.commit,
                "experiment": done.experiment,
                "made": [{"id": number, "commit": commit} for number, commit in done.made],
            }
        )
    else:
        narrate(done.sentence)


def html(study: Study = None, output: Output = None, force: Force = False) -> None:
    """A report in one file: chart, kept edits, table, diffs."""
    from arl_tui.report.page import report_html

    with Archive(find_folder(study)) as archive:
        _hand_over(report_html(archive), output, force)


def _hand_over(pieces: Iterable[str], output: Path | None, force: bool) -> None:
    if output is not None:
        write_whole(output, (piece.encode("utf-8") for piece in pieces), force)
        narrate(f"Wrote {output}.")
        return
    for piece in pieces:
        emit(piece)
