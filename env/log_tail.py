"""A bounded log: the beginning and the end of an output of any length."""

from __future__ import annotations


class LogTail:
    """Keeps the first and the last half of `limit` bytes, and counts what it dropped."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def write(self, block: bytes) -> None:
        """Add a block of output."""
        room = self._half - len(self._head)
        if room > 0:
            self._head += block[:room]
            block = block[room:]
        self._tail += block
        if len(self._tail) > 2 * self._half:
            self._trim()

    def text(self) -> str:
        """The log as text; undecodable bytes become replacement characters."""
        self._trim()
        middle = f"\n... {self._dropped} bytes left out ...\n".encode() if self._dropped else b""
        return bytes(self._head + middle + self._tail).decode("utf-8", "replace")

    def _trim(self) -> None:
        extra = len(self._tail) - self._half
        if extra > 0:
            self._dropped += extra
            del self._tail[:extra]
