"""Prepares the environment's data in a process of its own, and loads it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Literal

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import BaseModel, Field, TypeAdapter

from engine.settings import Data
from env import manifest
from env.errors import DataError
from env.manifest import Environment


class Progress(BaseModel):
    """A step of the preparation, done to `fraction`."""

    type: Literal["progress"]
    step: str
    fraction: float


class Done(BaseModel):
    """The environment folder is complete."""

    type: Literal["done"]
    path: str


class Problem(BaseModel):
    """Why there is no environment."""

    type: Literal["error"]
    message: str


class DiskFull(Exception):
    """There is no room for the prepared data."""


_ADAPTER: TypeAdapter[Progress | Done | Problem] = TypeAdapter(
    Annotated[Progress | Done | Problem, Field(discriminator="type")]
)
_EXIT_DISK_FULL = 9


async def prepare(data: Data, show: Callable[[Progress], None], force: bool = False) -> Environment:
    """The verified environment for `data`, prepared first where it is missing.

    Raises DataError or DiskFull.
    """
    argv = [sys.executable, "-P", "-m", "env.prepare", "--json"]
    argv += ["--vocab-size", str(data.vocab_size), "--seq-len", str(data.seq_len)]
    if data.dir is not None:
        argv += ["--data", data.dir]
    if data.hub is not None:
        argv += ["--hub", data.hub]
    if force:
        argv.append("--force")
    path, problem = None, "the preparation ended without saying why"
    async with await anyio.open_process(argv, stderr=None, start_new_session=True) as process:
        assert process.stdout is not None
        reader = BufferedByteReceiveStream(process.stdout)
        try:
            while True:
                message = _ADAPTER.validate_json(await reader.receive_until(b"\n", 1 << 20))
                if isinstance(message, Progress):
                    show(message)
                elif isinstance(message, Done):
                    path = message.path
                else:
                    problem = message.message
        except (anyio.EndOfStream, anyio.IncompleteRead):
            pass
        except BaseException:
            process.kill()
            raise
        code = await process.wait()
    if code == _EXIT_DISK_FULL:
        raise DiskFull(problem)
    if path is None:
        raise DataError(problem)
    return await anyio.to_thread.run_sync(manifest.load, path)
