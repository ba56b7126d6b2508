"""What a supervisor and its command say to each other, over the one socket between them.

The command may be a candidate that wants to do harm: what it says is passed on only where it is
due, once, and bounded.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
from collections.abc import Callable, Mapping
from typing import Any

from env import pause
from env.reports import Reports
from env.watch import Watch

LINE_BYTES = 1 << 16  # the longest message that a command may send


class Dialogue:
    """The channel to one command: its task goes in, messages come out."""

    def __init__(
        self,
        order: Mapping[str, Any],
        watch: Watch,
        reports: Reports,
        selector: selectors.BaseSelector,
        say: Callable[[dict[str, Any]], None],
    ) -> None:
        """`order` as written by `engine.orders`; `say` passes a message on to the engine."""
        self._order = order
        self._watch = watch
        self._reports = reports
        self._selector = selector
        self._say = say
        self._heard: set[str] = set()
        self._ended = False
        self._incoming = b""
        self._outgoing = b""
        self._channel, self._theirs = socket.socketpair()

    @property
    def their_end(self) -> int:
        """The file descriptor that the command gets."""
        return self._theirs.fileno()

    def open(self) -> None:
        """The command has started, with its end of the channel."""
        self._theirs.close()
        self._channel.setblocking(False)
        self._selector.register(self._channel, selectors.EVENT_READ, self._talk)

    def give(self, config: Mapping[str, Any]) -> None:
        """Give the command its task."""
        self._outgoing = json.dumps({"type": "order", **config}).encode() + b"\n"
        if self._channel in self._selector.get_map():
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(self._channel, both, self._talk)

    def end(self) -> None:
        """Nothing of the command is left: from here on it does not start to train."""
        self._ended = True

    def read(self) -> bool:
        """Take some messages; False when there are none now, or none any more."""
        try:
            block = self._channel.recv(LINE_BYTES)
        except BlockingIOError:
            return False
        except ConnectionError:
            block = b""
        if not block:
            if self._channel in self._selector.get_map():
                self._selector.unregister(self._channel)
            return False
        *lines, self._incoming = (self._incoming + block).split(b"\n")
        if len(self._incoming) > LINE_BYTES:
            self._incoming = b""
            self._watch.stop("crash", "it sent a message of more than 64 KiB to the harness")
        for line in lines:
            self._take(line)
        return True

    def go(self) -> None:
        """Start the clock, and only then hand over the training data."""
        was_held = self._watch.phase == "held"
        held = self._watch.ready()
        data = os.open(self._order["train"], os.O_RDONLY)
        try:
            go = json.dumps({"type": "go", "held": held}).encode()
            socket.send_fds(self._channel, [go + b"\n"], [data])
        except OSError:
            pass  # it is gone; its exit will say how
        finally:
            os.close(data)
        if was_held:
            pause.resume()
        self._forward({"type": "ready"})

    def _talk(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            try:
                self._outgoing = self._outgoing[self._channel.send(self._outgoing) :]
            except BlockingIOError:
                pass
            except OSError:
                self._outgoing = b""  # it is gone; its exit will say how
            if not self._outgoing:
                self._selector.modify(self._channel, selectors.EVENT_READ, self._talk)
        if mask & selectors.EVENT_READ:
            self.read()

    def _take(self, line: bytes) -> None:
        try:
            body = json.loads(line)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            self._watch.stop("crash", "it wrote something that is no message to the harness")
            return
        kind = body.get("type")
        phase = None if self._order["clock"] is None or self._ended else self._watch.phase
        if kind == "loaded" and phase == "startup":
            if kind not in self._heard:
                self._heard.add(kind)
                self._watch.loaded()
                self._forward({"type": "loaded"})
        elif kind == "ready" and phase == "startup":
            if self._order["clock"].get("held"):
                self._hold()
            else:
                self.go()
        elif kind == "trained" and phase == "training":
            self._watch.trained()
            self._forward(body)
        elif kind == "report":
            self._reports.take(body)
        elif isinstance(kind, str) and kind in self._order["accepts"] and kind not in self._heard:
            self._heard.add(kind)
            self._forward(body)

    def _hold(self) -> None:
        """Let no time pass for it, until the engine says go: it could use what is not charged."""
        self._watch.hold()
        pause.pause()
        self._forward({"type": "built"})

    def _forward(self, body: dict[str, Any]) -> None:
        self._reports.forward(at_once=True)
        self._say(body)
