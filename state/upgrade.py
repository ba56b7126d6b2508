"""Brings an older study up to date before anything reads it."""

from __future__ import annotations

import sqlite3

from state import schema
from state.errors import from_sqlite
from state.folder import StudyFolder, require_study
from state.lock import EngineLock


def upgrade(folder: StudyFolder) -> list[int]:
    """Migrate the folder's study; returns the schema versions that it went through, maybe none.

    Raises StudyTaken while an engine has it, and a StoreError when it cannot be done.
    """
    require_study(folder)
    with EngineLock(folder.lock):
        db = sqlite3.connect(folder.database, isolation_level=None, timeout=schema.BUSY_TIMEOUT)
        try:
            application_id = int(db.execute("PRAGMA application_id").fetchone()[0])
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            schema.check_version(application_id, version, folder.database)
            return schema.migrate(db)
        except sqlite3.Error as error:
            raise from_sqlite(error, folder.database) from error
        finally:
            db.close()
