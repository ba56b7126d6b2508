"""The end of the channel inside a child: one JSON object per line, over an inherited socket."""

from __future__ import annotations

import array
import json
import os
import socket
from typing import Any


class Channel:
    """A blocking message stream."""

    def __init__(self, descriptor: int, line_bytes: int = 1 << 26) -> None:
        """`line_bytes` bounds what the other end may send in one message."""
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        # Nothing that the candidate starts shall inherit it.
        os.set_inheritable(descriptor, False)
        self._line_bytes = line_bytes
        self._buffer = bytearray()

    def send(self, body: dict[str, Any]) -> None:
        """Send one message. Raises OSError when the other end is gone."""
        self._socket.sendall(json.dumps(body).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Wait for a message. Raises EOFError at the end of the stream, ValueError for junk."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > self._line_bytes:
                raise ValueError("a message is too long")
            self._fill(self._socket.recv(1 << 16))
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            body = json.loads(line)
        except RecursionError as error:
            raise ValueError("a message is nested too deeply") from error
        if not isinstance(body, dict):
            raise ValueError("a message must be an object")
        return body

    def receive_descriptor(self) -> tuple[dict[str, Any], int]:
        """Wait for a message that brings a file descriptor, which is the caller's; return both."""
        space = socket.CMSG_SPACE(array.array("i").itemsize)
        block, control, _, _ = self._socket.recvmsg(1 << 16, space)
        self._fill(block)
        body = self.receive()
        numbers = array.array("i")
        for level, kind, data in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
        if len(numbers) != 1:
            raise ValueError("the message brought no file descriptor")
        return body, numbers[0]

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _fill(self, block: bytes) -> None:
        if not block:
            raise EOFError("the channel was closed")
        self._buffer += block
