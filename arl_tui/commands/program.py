"""The command that prints what people wrote for those who propose edits: program."""

from __future__ import annotations

import typer

from arl_tui.commands.reading import AsJson, Study
from arl_tui.exits import CommandError, Exit
from arl_tui.output import emit_json, emit_script
from state.documents import PROGRAM
from state.folder import find_folder
from state.read import Reader


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(program)


def program(study: Study = None, as_json: AsJson = False) -> None:
    """Print the study's program.md, which people and language-model policies read."""
    with Reader(find_folder(study)) as reader:
        text = reader.document(PROGRAM)
    if as_json:
        emit_json({"program": text})
    elif text is None:
        raise CommandError(
            'This study has no program: name one with program = "program.md" under [target] in '
            "arl.toml, and run it.",
            Exit.NOT_FOUND,
        )
    else:
        emit_script(text)
