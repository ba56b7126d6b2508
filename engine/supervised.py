"""Supervisor processes as the engine sees them: an order in, messages and a last word out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from engine import messages
from engine.faults import fault_point
from env import processes
from state.records import Process

Hear = Callable[[Any], Awaitable[None]]

END_SECONDS = 25.0  # after the lifeline is cut, the supervisor gets this long to kill the rest


class SupervisorError(Exception):
    """A supervisor that ended without its last word: the machine is in trouble."""


class Supervisor:
    """A supervisor process, which carries out one order."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._reader = BufferedByteReceiveStream(process.stdout)

    @classmethod
    async def start(cls) -> Supervisor:
        """A supervisor that waits for its order. Raises SupervisorError."""
        try:
            process = await anyio.open_process(
                [sys.executable, "-P", "-m", "env.supervisor"],
                cwd="/",
                env=_environment(),
                stderr=None,
                start_new_session=True,
            )
        except OSError as error:
            raise SupervisorError(f"no supervisor process could be started: {error}") from error
        return cls(process)

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    @property
    def identity(self) -> Process | None:
        """What it is recorded as; None when it has ended already."""
        started = processes.start_time(self._process.pid)
        if started is None:
            return None
        return Process(self._process.pid, started, processes.boot_id())

    async def send(self, message: dict[str, Any]) -> None:
        """Send its order, or what follows it. Raises SupervisorError."""
        try:
            await self._stdin.send(json.dumps(message).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
            raise SupervisorError("a supervisor process ended unexpectedly") from error

    async def abort(self) -> None:
        """Have its command ended early, if that runs still."""
        try:
            await self.send({"type": "abort"})
        except SupervisorError:
            pass  # it is ending already

    async def listen(self, hear: Hear) -> messages.Exit:
        """Hear each valid message of its command, until nothing of that is left.

        Raises SupervisorError.
        """
        while True:
            try:
                line = await self._reader.receive_until(b"\n", messages.MESSAGE_BYTES)
            except (
                anyio.BrokenResourceError,
                anyio.EndOfStream,
                anyio.IncompleteRead,
                anyio.DelimiterNotFound,
                OSError,
            ) as error:
                raise SupervisorError("a supervisor process ended unexpectedly") from error
            message = messages.parse(line)
            if isinstance(message, messages.Exit):
                return message
            if isinstance(message, messages.Unstartable):
                raise SupervisorError(message.reason)
            if isinstance(message, messages.Forwarded):
                await hear(message.body)

    async def close(self) -> None:
        """Cut the lifeline, and wait until it has killed what is left and ended."""
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(END_SECONDS):
                await self._stdin.aclose()
                await self._stdout.aclose()  # or it would wait for a reader of its last words
                await self._process.wait()
            if self._process.returncode is None:
                self._process.kill()
            await self._process.aclose()


async def supervise(
    order: dict[str, Any],
    hear: Hear,
    on_process: Callable[[Process], Awaitable[None]],
) -> messages.Exit:
    """Carry out an order; returns when nothing of it is left.

    `hear` gets each valid message of the command. Cancelled, it cuts the lifeline and still waits
    until everything has ended.
    """
    supervisor = await Supervisor.start()
    try:
        identity = supervisor.identity
        if identity is not None:
            await on_process(identity)
        await supervisor.send(order)
        fault_point("spawned")
        return await supervisor.listen(hear)
    finally:
        await supervisor.close()


def _environment() -> dict[str, str]:
    passed = ("PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONUSERBASE")
    own = {name: os.environ[name] for name in passed if name in os.environ}
    return own | {"PYTHONDONTWRITEBYTECODE": "1"}
