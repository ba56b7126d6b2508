"""The database's schema: its version, and the migrations that lead to it.

A migration is a file `migrations/NNNN_name.sql`; number N leads from version N - 1 to N, which
`PRAGMA user_version` holds.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from importlib import resources
from pathlib import Path

from state.errors import StoreCorrupt, StoreNewer, StoreOlder, from_sqlite

APPLICATION_ID = 0x41524C74  # "ARLt": tells a study from any other SQLite file
BUSY_TIMEOUT = 10.0
"""Seconds that a writer waits for another one."""


@cache
def migrations() -> tuple[str, ...]:
    """The SQL of every migration, oldest first."""
    folder = resources.files("state") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    numbers = [int(file.name[:4]) for file in files]
    if numbers != list(range(1, len(files) + 1)):
        raise RuntimeError(f"the migrations are not numbered 1, 2, 3, ...: {numbers}")
    return tuple(file.read_text(encoding="utf-8") for file in files)


def current_version() -> int:
    """The version that this program reads and writes."""
    return len(migrations())


def check_version(application_id: int, version: int, path: Path) -> None:
    """Raise StoreCorrupt for a file that is no study, StoreNewer for one from the future."""
    if application_id != APPLICATION_ID or version < 1:
        raise StoreCorrupt(f"{path} is not a study database.")
    if version > current_version():
        raise StoreNewer(
            f"{path} has schema {version}, but this version of arl-tui knows only schema "
            f"{current_version()}: use the newer arl-tui that made it."
        )


def check_readable(application_id: int, version: int, path: Path) -> None:
    """As `check_version`, and raise StoreOlder for a database that a viewer cannot read yet."""
    check_version(application_id, version, path)
    if version < current_version():
        raise StoreOlder(
            f"{path} has schema {version}, older than this arl-tui's {current_version()}: "
            "`arl-tui run` brings it up to date."
        )


def create(path: Path) -> None:
    """Make an empty database of the current version in a new file at `path`, in WAL mode."""
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(db)
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    finally:
        db.close()


def step(version: int, steps: tuple[str, ...] | None = None) -> str:
    """The script that leads from `version` - 1 to `version` in one transaction."""
    sql = (migrations() if steps is None else steps)[version - 1]
    return f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {version};\nCOMMIT;"


def migrate(db: sqlite3.Connection, steps: tuple[str, ...] | None = None) -> list[int]:
    """Bring the database of `db` up to date, each step in one transaction; return the steps."""
    last = current_version() if steps is None else len(steps)
    done = []
    for version in range(_version(db) + 1, last + 1):
        try:
            db.executescript(step(version, steps))
        except sqlite3.Error:
            db.rollback()
            raise
        done.append(version)
    return done


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
