"""The entry point `arl-tui`: its commands, and what an error looks like to a person.

An error is one sentence on stderr and an exit code of `arl_tui.exits`; a traceback appears only
with ARL_DEBUG=1.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from arl_tui.commands import (
    bench,
    control,
    exporting,
    init,
    program,
    reading,
    running,
    setup,
    sites,
    viewing,
)
from arl_tui.exits import CommandError, Exit, code_of
from arl_tui.output import OutputClosed, emit, narrate
from state.folder import find_folder

app = typer.Typer(
    name="arl-tui",
    help="Leave it on the GPU box overnight: an agent edits your train.py, trains every "
    "candidate under a fixed budget, and keeps what lowers validation bits per byte.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_GROUPS = (viewing, init, running, control, reading, program, exporting, sites, setup, bench)
for group in _GROUPS:
    group.register(app)


@app.callback(invoke_without_command=True)
def _arl_tui(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    study: reading.Study = None,
    supervised: running.Supervised = None,
    low_bandwidth: viewing.LowBandwidth = False,
) -> int:
    if version:
        from importlib.metadata import version as installed_version

        emit(f"arl-tui {installed_version('arl-tui')}\n")
        raise typer.Exit
    if context.invoked_subcommand is not None:
        if study is not None or supervised is not None or low_bandwidth:
            name = context.invoked_subcommand
            raise CommandError(f"Options of `{name}` go behind it: `arl-tui {name} --help`.")
        return Exit.OK
    if not viewing.is_terminal():
        emit(context.get_help() + "\n")
        raise typer.Exit
    return viewing.open_study(
        find_folder(study),
        {"review": {"supervised": supervised}},
        [] if supervised is None else ["--supervised" if supervised else "--unsupervised"],
        wait=study is None and not viewing.has_settings_file(),
        low_bandwidth=low_bandwidth,
    )


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code. Errors are told on stderr."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a terminal that knows few characters is no reason to fail
            reconfigure(errors="backslashreplace")
    try:
        result = app(args=list(arguments), prog_name="arl-tui", standalone_mode=False)
        return result if isinstance(result, int) else Exit.OK
    except OutputClosed:
        return Exit.OK
    except typer.Abort:
        return Exit.INTERRUPTED
    except (Exception, KeyboardInterrupt) as error:
        return _explain(error)


def _explain(error: BaseException) -> int:
    if os.environ.get("ARL_DEBUG") == "1":
        traceback.print_exception(error)
    code = code_of(error)
    if code is Exit.INTERRUPTED:
        return code
    if code is not None:
        narrate(str(error))
        return code
    # Typer's own errors of usage; their classes are not public in every version of it.
    format_message = getattr(error, "format_message", None)
    if format_message is not None:
        narrate(f"{format_message().rstrip('.')}: see `arl-tui --help`.")
        return Exit.USAGE
    where = _write_report(error)
    narrate(
        f"arl-tui failed in a way that it should not ({type(error).__name__}: {error}): "
        + (f"the details are in {where}." if where else "ARL_DEBUG=1 shows the details.")
    )
    return Exit.INTERNAL


def _write_report(error: BaseException) -> Path | None:
    from platformdirs import user_log_path

    try:
        path = user_log_path("arl-tui", ensure_exists=True) / "errors.log"
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{datetime.now(UTC).isoformat()} arl-tui {' '.join(sys.argv[1:])}\n")
            file.writelines(traceback.format_exception(error))
    except OSError:
        return None
    return path


if __name__ == "__main__":
    main()
