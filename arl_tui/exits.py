"""The exit codes of every command, and which error leads to which."""

from __future__ import annotations

import errno
from enum import IntEnum

from state import errors
from state.lock import StudyTaken


class Exit(IntEnum):
    """What the process's exit status means; scripts may rely on the numbers."""

    OK = 0
    INTERNAL = 1  # an unexpected error, which is ours
    USAGE = 2  # the command line or arl.toml is wrong
    EPOCH_CHANGED = 3  # scores would not be comparable: `run --rebaseline`
    TARGET = 4  # the target is missing or invalid
    DATA = 5  # the environment's data is missing or invalid
    DEVICE = 6  # no such device, or it does not work
    TAKEN = 7  # another engine has the study
    DATABASE = 8  # corrupt, newer, or on a network file system
    DISK_FULL = 9
    NOT_FOUND = 10  # no study here, or no such experiment in it
    NO_ENGINE = 11  # no engine runs that could obey
    BASELINE_FAILED = 12
    NO_SANDBOX = 13  # a sandbox is required, but there is none
    FAILURES = 14  # candidates, or runs of the incumbent, keep failing
    LOW_MEMORY = 15
    GIT = 16  # no repository, no git, or a branch that somebody else moved
    INTERRUPTED = 130  # SIGINT
    TERMINATED = 143  # SIGTERM


class CommandError(Exception):
    """A command cannot do what it was asked: one sentence for people, and the exit code."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: BaseException) -> Exit | None:
    """The exit code of an error that a user can do something about, else None."""
    match error:
        case CommandError():
            return error.code
        case errors.StoreMissing() | errors.NoSuchExperiment():
            return Exit.NOT_FOUND
        case errors.StoreFull():
            return Exit.DISK_FULL
        case StudyTaken() | errors.StoreBusy():
            return Exit.TAKEN
        case errors.StoreError():
            return Exit.DATABASE
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return Exit.DISK_FULL
        case KeyboardInterrupt():
            return Exit.INTERRUPTED
    return None
