"""Messages to a reader that may be slow: writing them never stops the writer's own work."""

from __future__ import annotations

import json
import os
import selectors
import time
from typing import Any

_ENOUGH = 1 << 16  # bytes waiting, over which reports are dropped


class Outbox:
    """Writes one JSON object per line to a pipe, without ever blocking in `put`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()
        self.drops_reports = True
        """Whether a report that has to wait may be lost: not where nothing may depend on time."""
        os.set_blocking(descriptor, False)

    def put(self, body: dict[str, Any]) -> None:
        """Send a message, or keep it for later; a report is dropped when too much waits."""
        message = body.get("body")
        droppable = isinstance(message, dict) and message.get("type") == "report"
        if not (droppable and self.drops_reports and len(self._waiting) > _ENOUGH):
            self._waiting += json.dumps(body).encode() + b"\n"
        self._push()

    def flush(self, seconds: float) -> bool:
        """Wait until all is written, at most `seconds`; return whether it was."""
        deadline = time.monotonic() + seconds
        self._push()
        with selectors.DefaultSelector() as selector:
            selector.register(self._descriptor, selectors.EVENT_WRITE)
            while self._waiting and time.monotonic() < deadline:
                selector.select(0.2)
                self._push()
        return not self._waiting

    def _push(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: os.write(self._descriptor, self._waiting)]
        except BlockingIOError:
            pass  # the rest goes with the next message
        except OSError:
            self._waiting.clear()  # the reader is gone
