"""Starts an engine that outlives its viewer: in a session of its own, its words in a log file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from engine.control import Command, NoEngine, ask
from state.folder import StudyFolder
from state.lock import engine_pid

LOG_LINES = 200


class Launch:
    """An engine that has been started for the study in `folder`."""

    def __init__(self, folder: StudyFolder, options: Sequence[str]) -> None:
        """Start it with the options of `run`. Raises a StoreError when there can be no folder."""
        self.folder = folder
        folder.make()
        with folder.log.open("ab") as log:
            self._from = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "arl_tui.cli", "run", "--headless", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ended(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    def has_study(self) -> bool:
        """Whether this engine, and no other, runs the study."""
        return self.folder.exists and engine_pid(self.folder.lock) == self._process.pid

    def end(self) -> None:
        """End it before it has the study: nothing is lost."""
        self._process.terminate()

    def answers(self) -> bool:
        """Whether it has the study and takes commands."""
        if not self.has_study():
            return False
        try:
            return ask(self.folder.path, Command(command="ping"), seconds=1.0).ok
        except NoEngine:
            return False

    def said(self) -> list[str]:
        """The last lines that it wrote since it was started."""
        with self.folder.log.open("rb") as log:
            log.seek(self._from)
            text = log.read().decode("utf-8", "replace")
        return text.splitlines()[-LOG_LINES:]
