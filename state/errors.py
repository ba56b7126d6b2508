"""Why the database of a study cannot be used; each message is one sentence for people."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path

_OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LITTLE_SPACE = 1 << 20  # bytes


class StoreError(Exception):
    """The store refuses or cannot do what was asked."""


class StoreMissing(StoreError):
    """There is no study here."""


class NoSuchExperiment(StoreError):
    """The study has no experiment with this id."""


class StoreConflict(StoreError):
    """The change goes against what is already recorded, which is frozen."""


class StoreFull(StoreError):
    """The disk is full."""


class StoreCorrupt(StoreError):
    """A file of the study is damaged, or is not what its name says."""


class StoreNewer(StoreError):
    """The database was made by a newer version of arl-tui."""


class StoreOlder(StoreError):
    """The database was made by an older version and waits for its migration."""


class StoreOnNetwork(StoreError):
    """The study lies on a network file system, where SQLite's WAL does not work."""


class StoreBusy(StoreError):
    """Another process is writing to the database."""


def from_sqlite(error: sqlite3.Error, path: Path) -> StoreError:
    """The StoreError that says what SQLite's `error` on the database at `path` means."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and _almost_full(path)):
        return StoreFull(f"The disk that holds {path} is full: free some space and start again.")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreCorrupt(f"{path} is damaged or is not a study database ({error}).")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreBusy(f"Another process is writing to {path}: stop it and try again.")
    if name.startswith("SQLITE_CANTOPEN"):
        return StoreError(f"{path} cannot be opened: check that it exists and its permissions.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreError(f"{path} cannot be written: check its permissions and its disk.")
    if name.startswith("SQLITE_CONSTRAINT"):
        return StoreConflict(f"{path} refuses what contradicts its rules ({error}).")
    return StoreError(f"{path} cannot be used ({error}).")


def from_os(error: OSError, path: Path) -> StoreError:
    """The StoreError that says what the operating system's `error` on `path` means."""
    if error.errno in _OUT_OF_SPACE:
        return StoreFull(f"The disk that holds {path} is full: free some space and start again.")
    return StoreError(f"{path} cannot be used: {error.strerror or error}.")


def _almost_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _LITTLE_SPACE
    except OSError:
        return False
