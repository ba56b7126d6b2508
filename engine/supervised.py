"""Runs one order under a supervisor of its own, and hears what it says."""

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

END_SECONDS = 25.0  # after the lifeline is cut, the supervisor gets this long to kill the rest


class SupervisorError(Exception):
    """A supervisor that ended without its last word: the machine is in trouble."""


async def supervise(
    order: dict[str, Any],
    hear: Callable[[Any], None],
    on_process: Callable[[Process], Awaitable[None]],
) -> messages.Exit:
    """Carry out an order; returns when nothing of it is left.

    `hear` gets each valid message of the command. Cancelled, it cuts the lifeline and still waits
    until everything has ended.
    """
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
    assert process.stdin is not None
    assert process.stdout is not None
    reader = BufferedByteReceiveStream(process.stdout)
    try:
        started = processes.start_time(process.pid)
        if started is not None:
            await on_process(Process(process.pid, started, processes.boot_id()))
        await process.stdin.send(json.dumps(order).encode() + b"\n")
        fault_point("spawned")
        return await _listen(reader, hear)
    except (anyio.BrokenResourceError, OSError) as error:
        raise SupervisorError("a supervisor process ended unexpectedly") from error
    finally:
        with anyio.CancelScope(shield=True):
            await _close(process)


async def _listen(reader: BufferedByteReceiveStream, hear: Callable[[Any], None]) -> messages.Exit:
    while True:
        try:
            line = await reader.receive_until(b"\n", messages.MESSAGE_BYTES)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.DelimiterNotFound) as error:
            raise SupervisorError("a supervisor process ended unexpectedly") from error
        message = messages.parse(line)
        if isinstance(message, messages.Exit):
            return message
        if isinstance(message, messages.Unstartable):
            raise SupervisorError(message.reason)
        if isinstance(message, messages.Forwarded):
            hear(message.body)


async def _close(process: anyio.abc.Process) -> None:
    """Cut the lifeline; the supervisor kills what is left and ends."""
    assert process.stdin is not None
    assert process.stdout is not None
    with anyio.move_on_after(END_SECONDS):
        await process.stdin.aclose()
        await process.stdout.aclose()  # or it would wait for a reader of its last words
        await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()


def _environment() -> dict[str, str]:
    passed = ("PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONUSERBASE")
    own = {name: os.environ[name] for name in passed if name in os.environ}
    return own | {"PYTHONDONTWRITEBYTECODE": "1"}
