from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from engine import control
from engine.control import Command, NoEngine, Reply, ask, serve, socket_path

pytestmark = pytest.mark.anyio


async def answer(command: Command) -> Reply:
    return Reply(ok=True, state=f"{command.command} {command.after_current}")


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Path]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, folder, answer)
        path = socket_path(folder)
        with anyio.fail_after(5):
            while not path.exists():  # noqa: ASYNC110
                await anyio.sleep(0.01)
        yield path
        await anyio.sleep(0.05)  # anyio minds when a client leaves in the moment of cancelling
        tasks.cancel_scope.cancel()


async def asked(folder: Path, command: Command) -> Reply:
    return await anyio.to_thread.run_sync(ask, folder, command)


async def test_commands_are_answered_and_the_socket_goes_away(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        assert await asked(tmp_path, Command(command="pause")) == Reply(
            ok=True, state="pause False"
        )
        reply = await asked(tmp_path, Command(command="stop", after_current=True))
        assert reply.state == "stop True"
        assert path.parent == tmp_path
    assert not path.exists()
    with pytest.raises(NoEngine, match="No engine answers"):
        await asked(tmp_path, Command(command="ping"))


async def test_only_the_owner_may_connect(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with served(tmp_path) as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert os.umask(0) == 0
    finally:
        os.umask(before)


async def test_a_socket_that_a_killed_engine_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "engine.sock"))
    async with served(tmp_path):
        with anyio.fail_after(5):
            while True:
                try:
                    reply = await asked(tmp_path, Command(command="ping"))
                    break
                except NoEngine:
                    await anyio.sleep(0.02)
    assert reply.ok


async def test_a_long_path_gets_a_private_folder_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    async with served(folder) as path:
        assert len(os.fsencode(path)) < 108
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert (await asked(folder, Command(command="ping"))).ok
    path.parent.rmdir()


async def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="remove it"):
        control._private_folder(folder)


@pytest.mark.parametrize(
    "line",
    [
        b"junk",
        b"{}",
        b'{"command": "erase"}',
        b'{"command": "ping", "version": 2}',
        b'{"command": "ping", "extra": 1}',
        b"[" * 1000,
        b"\xff\xfe",
    ],
)
async def test_what_is_no_command_is_refused_and_the_next_one_served(
    tmp_path: Path, line: bytes
) -> None:
    async with served(tmp_path) as path, await anyio.connect_unix(path) as stream:
        await stream.send(line + b"\n")
        reply = Reply.model_validate_json(await stream.receive())
        assert not reply.ok
        assert "command" in reply.error
        await stream.send(b'{"command": "ping"}\n')
        assert Reply.model_validate_json(await stream.receive()).ok


async def test_a_viewer_that_sends_too_much_or_hangs_up_harms_nobody(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        async with await anyio.connect_unix(path) as stream:
            await stream.send(b"x" * (control.LINE_BYTES + 1000))
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
        async with await anyio.connect_unix(path) as stream:
            await stream.send(b'{"command": "pi')
        async with await anyio.connect_unix(path) as stream:
            await stream.send(b'{"command": "ping"}\n' * 50)
        assert (await asked(tmp_path, Command(command="ping"))).ok
