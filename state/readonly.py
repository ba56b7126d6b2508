"""A viewer's connection to a study's database: it follows the engine and changes nothing.

While an engine has the database open there is a write-ahead log (`study.db-wal`) and an ordinary
read-only connection follows it. Without one the file is at rest, and is read as `immutable`: this
needs no permission to write, so it works on a read-only disk, and leaves nothing behind. When the
disk is read-only and a log is there nevertheless (a killed engine's study, copied), both are read
from a temporary copy.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from state import schema
from state.errors import StoreCorrupt, StoreMissing, from_os, from_sqlite

T = TypeVar("T")
_TRIES = 5
_BUSY = 5.0  # seconds


class ReadOnly:
    """Runs queries on the database at `path`, and reconnects when the file's situation changes."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises StoreMissing, StoreNewer, StoreOlder, StoreCorrupt or StoreError."""
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._immutable = False
        self._seen: object = None
        self._generation = 0
        self.run(lambda db: None)

    def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` returns, from one consistent state of the database."""
        for attempt in range(_TRIES):
            try:
                db = self._current()
                db.execute("BEGIN")
                try:
                    result = query(db)
                finally:
                    db.rollback()
            except sqlite3.Error as error:
                self.close()
                if attempt == _TRIES - 1:
                    raise from_sqlite(error, self.path) from error
                continue
            # An immutable file that has changed meanwhile may have been read half and half.
            if not self._immutable or self._seen == self._situation():
                return result
        raise StoreCorrupt(f"{self.path} keeps changing while it is read: is it being copied?")

    def data_version(self) -> int:
        """A number that changes when the database has changed."""
        db_version = self.run(lambda db: int(db.execute("PRAGMA data_version").fetchone()[0]))
        return (self._generation << 32) + db_version

    def close(self) -> None:
        """Close the connection; the next `run` opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    def _current(self) -> sqlite3.Connection:
        situation = self._situation()
        if self._db is None or situation != self._seen:
            self.close()
            self._seen = situation
            self._generation += 1
            self._db = self._open()
        return self._db

    def _situation(self) -> object:
        """What has to stay the same for the connection to stay right."""
        try:
            stat = self.path.stat()
        except FileNotFoundError as error:
            raise StoreMissing(f"There is no study database at {self.path}.") from error
        except OSError as error:
            raise from_os(error, self.path) from error
        identity = (stat.st_dev, stat.st_ino)
        if self._wal.exists():
            return ("live", identity)
        return ("at rest", identity, stat.st_size, stat.st_mtime_ns)

    @property
    def _wal(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def _open(self) -> sqlite3.Connection:
        self._immutable = not self._wal.exists()
        try:
            return self._connect(self.path, "immutable=1" if self._immutable else "mode=ro")
        except sqlite3.OperationalError:
            if self._immutable:
                raise
        self._copy = tempfile.TemporaryDirectory(prefix="arl-tui-")
        copy = Path(self._copy.name) / self.path.name
        try:
            shutil.copyfile(self.path, copy)
            shutil.copyfile(self._wal, copy.with_name(self._wal.name))
        except OSError as error:
            raise from_os(error, self.path) from error
        return self._connect(copy, "mode=rw")

    def _connect(self, path: Path, how: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?{how}",
            uri=True,
            isolation_level=None,
            timeout=_BUSY,
            check_same_thread=False,
        )
        try:
            db.row_factory = sqlite3.Row
            application_id = int(db.execute("PRAGMA application_id").fetchone()[0])
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            schema.check_readable(application_id, version, self.path)
        except BaseException:
            db.close()
            raise
        return db
