"""Which executor runs the trials of a study."""

from __future__ import annotations

from pathlib import Path

import anyio.abc

from engine.command_executor import CommandExecutor
from engine.command_target import CommandTarget
from engine.conditions import Conditions
from engine.executor import Executor
from engine.local import LocalExecutor


def executor_for(
    tasks: anyio.abc.TaskGroup, conditions: Conditions, scratch: Path, *, warm: bool = False
) -> Executor:
    """The executor under these conditions; `tasks` bounds the life of every trial.

    `scratch` is a folder for what trials hand over, and `warm` starts the next one's process early.
    """
    material, confined = conditions.material, conditions.confined
    if isinstance(material, CommandTarget):
        return CommandExecutor(tasks, material, confined, scratch)
    return LocalExecutor(tasks, material, confined, scratch, warm=warm)
