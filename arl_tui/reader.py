"""One thread that reads a study for the screen, and begins before the screen is there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from arl_tui.feed import Feed, Part, Snapshot
from state.folder import StudyFolder
from state.watch import Watcher

T = TypeVar("T")
Look = tuple[Snapshot, frozenset[Part]] | None


class StudyReader:
    """Reads in a thread of its own, one question after the other: a feed allows no more."""

    def __init__(self, folder: StudyFolder) -> None:
        """Open the study and take the first look. Raises a StoreError when it cannot be read."""
        self._feed = Feed(folder)
        self._thread = ThreadPoolExecutor(1, "reader")
        self._first: Future[Look] | None = self._thread.submit(self._feed.look)

    def look(self) -> Future[Look]:
        """What has changed since the last look: see `Feed.look`."""
        first, self._first = self._first, None
        return first or self._thread.submit(self._feed.look)

    def ask(self, query: Callable[[Watcher], T]) -> Future[T]:
        """What a query on the study returns."""
        return self._thread.submit(query, self._feed.watcher)

    def close(self) -> None:
        """End the thread and close the database."""
        self._thread.shutdown(cancel_futures=True)
        self._feed.close()
