"""A person's editor on a copy of a candidate, which survives when the edit cannot be used."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

FALLBACKS = ("nano", "vi")


class NoEditor(Exception):
    """There is no editor to open: one sentence."""


def find_editor(environ: Mapping[str, str]) -> list[str]:
    """The command of $VISUAL or $EDITOR, or of an editor that is there. Raises NoEditor."""
    for name in ("VISUAL", "EDITOR"):
        value = environ.get(name, "").strip()
        if not value:
            continue
        try:
            command = shlex.split(value)
        except ValueError as error:
            raise NoEditor(f"${name} = {value!r} is not a command ({error}).") from error
        if shutil.which(command[0]) is None:
            raise NoEditor(f"${name} names {command[0]}, which is not there.")
        return command
    for fallback in FALLBACKS:
        if shutil.which(fallback):
            return [fallback]
    raise NoEditor("There is no editor: set $EDITOR to one.")


class Draft:
    """A candidate's source as a file in a private folder, which editors may litter."""

    def __init__(self, experiment_id: int, source: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="arl-tui-"))  # only the owner may enter
        self.path = self._folder / f"experiment-{experiment_id}.py"
        self.path.write_bytes(source.encode())

    def edit(self, command: list[str]) -> int:
        """Run the editor on it and return its exit status; the terminal is the editor's."""
        # Ctrl+C reaches this process too. A handler, unlike SIG_IGN, is not inherited.
        before = signal.signal(signal.SIGINT, lambda number, frame: None)
        try:
            return subprocess.run([*command, str(self.path)], check=False).returncode
        finally:
            signal.signal(signal.SIGINT, before)

    def read(self) -> str:
        """The text as it is now. Raises OSError or UnicodeDecodeError."""
        return self.path.read_bytes().decode()

    def remove(self) -> None:
        """Forget it."""
        shutil.rmtree(self._folder, ignore_errors=True)
