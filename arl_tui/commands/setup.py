"""The commands that look after the machine: prepare, doctor, notify."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer

from arl_tui.commands.reading import AsJson
from arl_tui.exits import CommandError, Exit
from arl_tui.output import emit, emit_json, narrate


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (prepare, doctor, notify):
        app.command()(command)


def prepare(
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="Text: .parquet, .jsonl or .txt.")
    ] = None,
    hub: Annotated[str | None, typer.Option(metavar="DATASET", help="Text from the hub.")] = None,
    vocab_size: Annotated[int | None, typer.Option(help="Tokens in the vocabulary.")] = None,
    seq_len: Annotated[int | None, typer.Option(help="Tokens in a row.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Build it again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the frozen environment's data once, into the cache."""
    from arl_tui.commands.failures import told

    with told():
        import anyio

        from arl_tui.headless import Headless
        from engine import preparation
        from engine.events import EngineEvent
        from engine.settings import merge, validate

        table = {"dir": data, "hub": hub, "vocab_size": vocab_size, "seq_len": seq_len}
        settings = validate(merge({"data": table}), "the command line")
        with Headless(as_json=False) as printer:

            def show(progress: preparation.Progress) -> None:
                body = {"step": progress.step, "fraction": progress.fraction}
                printer.bar_only(EngineEvent("preparing", "", body))

            environment = anyio.run(partial(preparation.prepare, settings.data, show, force))
    if as_json:
        emit_json(
            {
                "path": str(environment.path),
                "digest": environment.digest,
                "corpus": environment.corpus,
                "vocab_size": environment.vocab_size,
                "seq_len": environment.seq_len,
                "rows": dict(environment.rows),
                "unigram_bpb": environment.unigram_bpb,
            }
        )
        return
    narrate(
        f"{environment.corpus}: {environment.rows['train']:,} training rows of "
        f"{environment.seq_len} tokens, vocabulary {environment.vocab_size}, unigram "
        f"{environment.unigram_bpb:.3f} bits per byte."
    )
    emit(f"{environment.path}\n")


def doctor(as_json: AsJson = False) -> None:
    """Check Python, torch, device, sandbox, disk and data: ok, warn or fail, and what to do."""
    from engine.doctor import examine

    findings = examine()
    if as_json:
        emit_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            emit(f"{finding.verdict:<5}{finding.name:<9}{finding.what}\n")
            if finding.advice:
                emit(f"{'':<14}{finding.advice}\n")
    failed = [finding for finding in findings if finding.verdict == "fail"]
    if failed:
        names = ", ".join(finding.name for finding in failed)
        raise CommandError(f"Not ready: {names}.", _CODES.get(failed[0].name, Exit.INTERNAL))


def notify() -> None:
    """Try the `[notify]` command of arl.toml with a test event; what it prints is shown."""
    from arl_tui.commands.failures import told

    with told():
        import anyio

        from arl_tui.layers import settings_here
        from engine.notify import Note, describe, run_command
        from state.folder import find_folder

        command = settings_here({}).notify.command
        if command is None:
            raise CommandError('There is nothing to try: arl.toml has no [notify] command = "...".')
        note = Note("test", "This is a test of the notify command.", state="stopped")
        values = describe(note, str(find_folder(None).path))
        problem = anyio.run(partial(run_command, command, values, quiet=False))
    if problem is not None:
        raise CommandError(f"The notify command failed: {problem}.")
    narrate("The notify command ended well.")


_CODES: dict[str, Any] = {
    "python": Exit.USAGE,
    "torch": Exit.DEVICE,
    "device": Exit.DEVICE,
    "disk": Exit.DISK_FULL,
    "data": Exit.DATA,
}
