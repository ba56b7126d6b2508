"""The engine's connection: whole transactions, that neither an error nor a cancellation splits."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import anyio

from state import schema
from state.errors import StoreConflict, StoreCorrupt, StoreError, from_sqlite

Parameters = Sequence[Any]
_CHECKED_AT_START = 64 << 20  # bytes; a larger database would delay the start by seconds


class Transaction:
    """What one transaction may do."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db

    async def write(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement that changes rows; the id of the last row that it inserted."""
        async with self._db.execute(sql, parameters) as cursor:
            return cursor.lastrowid or 0

    async def all(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Every row of a query."""
        return list(await self._db.execute_fetchall(sql, parameters))

    async def one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        rows = await self.all(sql, parameters)
        return rows[0] if rows else None


class Connection:
    """One writing connection to the database at `path`. Its thread ends with `connect`."""

    def __init__(self, db: aiosqlite.Connection, path: Path) -> None:
        self._db = db
        self.path = path
        self._lock = anyio.Lock()

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True) -> AsyncIterator[Transaction]:
        """BEGIN IMMEDIATE to COMMIT; anything raised inside rolls back.

        A task that is cancelled meanwhile finishes the transaction first. What is not `durable`
        waits for no disk, and may be lost with the machine's power. Raises StoreError.
        """
        async with self._lock:
            with anyio.CancelScope(shield=True), self._translated():
                try:
                    wanted = "FULL" if durable else "NORMAL"
                    await self._db.execute(f"PRAGMA synchronous = {wanted}")
                    await self._db.execute("BEGIN IMMEDIATE")
                    yield Transaction(self._db)
                    await self._db.execute("COMMIT")
                except BaseException:
                    # Runs after whatever is still queued on the connection's thread, and does
                    # nothing when the transaction has ended already.
                    await self._db.rollback()
                    raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """For queries alone: they see no half-made transaction of another task."""
        async with self._lock:
            with anyio.CancelScope(shield=True), self._translated():
                yield Transaction(self._db)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise from_sqlite(error, self.path) from error
        except OverflowError as error:
            raise StoreConflict(f"A number is too large to be kept ({error}).") from error
        except ValueError as error:
            if str(error) in ("Connection closed", "no active connection"):
                raise StoreError(f"The store of {self.path} is closed.") from error
            raise


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[Connection]:
    """Open the existing database at `path` for writing; it is checked, and migrated if older.

    Raises StoreCorrupt, StoreNewer, StoreBusy or StoreError.
    """
    workers: list[threading.Thread] = []

    def open_database(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        workers.append(threading.current_thread())
        return sqlite3.Connection(*args, **kwargs)

    try:
        db = await aiosqlite.connect(
            _uri(path),
            uri=True,
            isolation_level=None,
            timeout=schema.BUSY_TIMEOUT,
            factory=open_database,
        )
        try:
            await _prepare(db, path)
            yield Connection(db, path)
        finally:
            with anyio.CancelScope(shield=True):
                await _close(db)
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    finally:
        # aiosqlite answers a moment before its thread ends; a few microseconds remain.
        for worker in workers:
            worker.join()


async def _close(db: aiosqlite.Connection) -> None:
    try:
        # Leave one plain file behind; a viewer that is reading just now may prevent it.
        await db.execute("PRAGMA busy_timeout = 200")
        await db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    except (sqlite3.Error, ValueError):
        pass
    finally:
        await db.close()


async def _prepare(db: aiosqlite.Connection, path: Path) -> None:
    db.row_factory = sqlite3.Row
    application_id = await _pragma(db, "application_id")
    schema.check_version(application_id, await _pragma(db, "user_version"), path)
    if _small(path):
        found = list(await db.execute_fetchall("PRAGMA quick_check(1)"))
        if found[0][0] != "ok":
            raise StoreCorrupt(f"{path} is damaged ({found[0][0]}): restore it from a copy.")
    await db.execute("PRAGMA journal_mode = WAL")
    await db.execute("PRAGMA synchronous = FULL")
    await db.execute("PRAGMA foreign_keys = ON")
    for version in range(await _pragma(db, "user_version") + 1, schema.current_version() + 1):
        await db.executescript(schema.step(version))


def _uri(path: Path) -> str:
    # mode=rw: a database that has just vanished is an error, not a reason to make an empty one.
    return f"{path.absolute().as_uri()}?mode=rw"


def _small(path: Path) -> bool:
    return path.stat().st_size <= _CHECKED_AT_START


async def _pragma(db: aiosqlite.Connection, name: str) -> int:
    rows = list(await db.execute_fetchall(f"PRAGMA {name}"))
    return int(rows[0][0])
