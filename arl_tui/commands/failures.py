"""The errors of the engine's rooms as exit codes; imported only by commands that use the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from arl_tui.exits import CommandError, Exit
from engine.conditions import SandboxMissing
from engine.control import NoEngine
from engine.decisions import BaselineFailed
from engine.devices import DeviceError
from engine.epochs import EpochChanged
from engine.policy_bench import BenchError
from engine.preparation import DiskFull
from engine.settings import SettingsError
from engine.study import TargetError
from env.errors import DataError
from policy import PolicyError
from target.source import SourceError

_CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (SettingsError, Exit.USAGE),
    (PolicyError, Exit.USAGE),
    (BenchError, Exit.USAGE),
    (EpochChanged, Exit.EPOCH_CHANGED),
    (TargetError, Exit.TARGET),
    (SourceError, Exit.TARGET),
    (DataError, Exit.DATA),
    (DeviceError, Exit.DEVICE),
    (DiskFull, Exit.DISK_FULL),
    (NoEngine, Exit.NO_ENGINE),
    (BaselineFailed, Exit.BASELINE_FAILED),
    (SandboxMissing, Exit.NO_SANDBOX),
)


@contextmanager
def told() -> Iterator[None]:
    """Turn the engine's errors into sentences with an exit code."""
    try:
        yield
    except Exception as error:
        found = _lone(error)
        for kind, code in _CODES:
            if isinstance(found, kind):
                raise CommandError(_sentence(str(found)), code) from error
        raise found from error


def _lone(error: Exception) -> Exception:
    """The one error inside a task group's group, or the group."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    text = text.strip()
    if text.split(" ", 1)[0].isalpha():  # not the name of a file or a key
        text = text[:1].upper() + text[1:]
    return text + ("" if text.endswith(".") else ".")
