"""Which error of the engine's rooms leads to which exit code; imported when one has happened."""

from __future__ import annotations

from arl_tui.exits import Exit
from engine.conditions import SandboxMissing
from engine.control import NoEngine
from engine.decisions import BaselineFailed
from engine.devices import DeviceError
from engine.epochs import EpochChanged
from engine.git_repository import GitError
from engine.policy_bench import BenchError
from engine.preparation import DiskFull
from engine.settings import SettingsError
from engine.target_reading import TargetError
from env.errors import DataError
from policy import PolicyError
from target.source import SourceError

CODES: tuple[tuple[type[Exception], Exit], ...] = (
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
    (GitError, Exit.GIT),
)
