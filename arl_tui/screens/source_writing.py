"""Writing an experiment's source to a file that a person names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from arl_tui.detail import file_name
from arl_tui.exits import CommandError
from arl_tui.output import printable
from arl_tui.widgets.prompt import Prompt
from arl_tui.writing import FileTaken, write_whole
from target.source import SourceError, encode

if TYPE_CHECKING:
    from arl_tui.screens.history import History


class SourceWriting:
    """Asks for the file's name, and a second time before it overwrites one."""

    def __init__(self, screen: History) -> None:
        self._screen = screen
        self._experiment_id = 0
        self._source = ""
        self._confirmed = ""

    def ask(self, experiment_id: int, source: str) -> None:
        """Ask where to write a source."""
        self._experiment_id, self._source, self._confirmed = experiment_id, source, ""
        now = self._screen.study_app.snapshot
        target = now.status.study.target_name if now else "train.py"
        self._screen.query_one(Prompt).ask(
            "write",
            f"Write the source of #{experiment_id} to the file:",
            file_name(target, experiment_id),
        )

    async def answer(self, name: str) -> None:
        """Write to the file, or say why not."""
        prompt = self._screen.query_one(Prompt)
        name = name.strip()
        if not name:
            prompt.complain("Give the name of a file.")
            return
        try:
            force = self._confirmed == name
            path = await asyncio.to_thread(_write, name, self._source, force)
        except FileTaken as error:
            self._confirmed = name
            prompt.complain(f"{printable(str(error.path))} exists: press enter to overwrite it.")
        except (CommandError, SourceError, RuntimeError) as error:  # RuntimeError: ~nobody
            prompt.complain(printable(str(error)))
        else:
            prompt.close()
            self._screen.notify(
                f"The source of #{self._experiment_id} is now in {printable(str(path))}.",
                markup=False,
            )


def _write(name: str, source: str, force: bool) -> Path:
    path = Path(name).expanduser()
    write_whole(path, encode(source), force)
    return path
