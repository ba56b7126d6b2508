"""The control socket: one JSON object per line in, one out. Only the study's owner may connect.

Commands are idempotent: to pause what is paused changes nothing, and says so.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from engine.messages import printable

VERSION = 1
LINE_BYTES = 8 << 20  # an amended source of 1 MiB, with every character escaped
_PATH_BYTES = 100  # the kernel allows 107


def one_line(text: str) -> str:
    """A person's note without line ends and control characters."""
    return " ".join(printable(text).split())


class Command(BaseModel):
    """What a viewer or the command line asks of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    command: Literal[
        "ping", "pause", "resume", "stop", "supervise", "unsupervise", "approve", "veto", "amend"
    ]
    after_current: bool = False  # stop: let the running experiments finish
    experiment_id: int | None = None  # approve, veto, amend
    note: Annotated[str, Field(max_length=2000), AfterValidator(one_line)] = ""  # approve, veto
    source: Annotated[str, Field(max_length=1 << 20)] = ""  # amend: the whole script


class Reply(BaseModel):
    """What the engine answers: its state after the command, or why it refused."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    ok: bool
    state: str = ""
    error: str = ""


Handle = Callable[[Command], Awaitable[Reply]]


def socket_path(folder: Path) -> Path:
    """Where the socket of the study in `folder` lies: there, or in /tmp when that is too long."""
    inside = folder / "engine.sock"
    if len(os.fsencode(inside)) <= _PATH_BYTES:
        return inside
    status = os.stat(folder)
    name = f"arl-{os.getuid()}-{status.st_dev:x}-{status.st_ino:x}"
    return Path("/tmp") / name / "engine.sock"


async def serve(folder: Path, handle: Handle) -> None:
    """Serve commands until cancelled; the socket is removed at the end."""
    path = socket_path(folder)
    if path.parent != folder:
        _private_folder(path.parent)
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        listener = await anyio.create_unix_listener(path)
    finally:
        os.umask(before)

    async def client(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            try:
                await _converse(stream, handle)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # the viewer has gone

    try:
        await listener.serve(client)
    finally:
        with anyio.CancelScope(shield=True):
            await listener.aclose()
        path.unlink(missing_ok=True)


async def _converse(stream: anyio.abc.SocketStream, handle: Handle) -> None:
    reader = BufferedByteReceiveStream(stream)
    while True:
        try:
            line = await reader.receive_until(b"\n", LINE_BYTES)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.DelimiterNotFound):
            return
        try:
            reply = await handle(Command.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            reply = Reply(ok=False, error=f"not a command of version {VERSION}: {first['msg']}")
        await stream.send(reply.model_dump_json().encode() + b"\n")


def _private_folder(path: Path) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    status = os.lstat(path)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{path} belongs to somebody else: remove it")


class NoEngine(Exception):
    """No engine answers for this study."""


def ask(folder: Path, command: Command, seconds: float = 10.0) -> Reply:
    """Send one command and wait for the reply. Raises NoEngine."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(str(socket_path(folder)))
            connection.sendall(command.model_dump_json().encode() + b"\n")
            with connection.makefile("rb") as answers:
                return Reply.model_validate_json(answers.readline(LINE_BYTES))
    except (OSError, ValidationError) as error:
        raise NoEngine(f"No engine answers for the study in {folder}.") from error
