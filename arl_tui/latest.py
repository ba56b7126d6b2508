"""Slow work for whatever was asked for last: one piece at a time, and none of it interrupted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Does the newest request and forgets those that it has overtaken.

    Cancelling instead would leave a thread that still reads the database.
    """

    def __init__(self, work: Callable[[T], Awaitable[None]]) -> None:
        self._work = work
        self._waiting: list[T] = []
        self._busy = False

    async def ask(self, request: T) -> None:
        """Do this next; return at once when a request is being done."""
        self._waiting = [request]
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting:
                await self._work(self._waiting.pop())
        finally:
            self._busy = False
