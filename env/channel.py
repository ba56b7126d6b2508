"""The two ends of the channel inside a trial or a model process: one JSON object per line."""

from __future__ import annotations

import array
import json
import os
import socket
from typing import Any


class Channel:
    """A blocking message stream over an inherited socket. `EOFError` when the other end is gone."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        # Nothing that the candidate starts shall inherit it.
        os.set_inheritable(descriptor, False)
        self._buffer = b""
        self._descriptors: list[int] = []

    def send(self, body: dict[str, Any]) -> None:
        """Send one message."""
        self._socket.sendall(json.dumps(body).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Wait for the next message."""
        while b"\n" not in self._buffer:
            block, control, _, _ = self._socket.recvmsg(1 << 16, socket.CMSG_SPACE(4))
            if not block:
                raise EOFError("the channel was closed")
            for level, kind, data in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
                    self._descriptors.extend(numbers)
            self._buffer += block
        line, self._buffer = self._buffer.split(b"\n", 1)
        body = json.loads(line)
        if not isinstance(body, dict):
            raise ValueError("a message must be an object")
        return body

    def descriptor(self) -> int:
        """A file descriptor that came with the last message."""
        return self._descriptors.pop(0)
