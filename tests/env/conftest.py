"""A supervisor process with a small command, for tests of how commands end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

HEAD = """\
import ctypes, json, os, signal, socket, sys, threading, time
channel = socket.socket(fileno=int(sys.argv[1]))
lines = channel.makefile("rb")


def say(**body):
    channel.sendall(json.dumps(body).encode() + b"\\n")


def ready():
    global data
    say(type="ready")
    _, descriptors, _, _ = socket.recv_fds(channel, 1000, 1)
    data = descriptors[0]


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def ignore_signals():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass


def daemon():
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    ignore_signals()
    os.closerange(0, 100)
    return True


order = json.loads(lines.readline())
"""


class SupervisorProcess:
    """A supervisor process that carries out an order."""

    def __init__(self, folder: Path, order: dict[str, Any]) -> None:
        """The command's environment has MARK=`folder`, by which what is left of it is found."""
        self._mark = f"MARK={folder}".encode()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "env.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.tell(order)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a line to the supervisor."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def wait_for(self, kind: str) -> None:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            said = json.loads(line)
            if kind in (said["type"], said.get("body", {}).get("type")):
                return
        raise AssertionError(f"it never said {kind}")

    def finish(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What the command said, and the last word; nothing may be left."""
        *said, last = list(self.lines())
        with self.process:
            assert self.process.wait(10) == 0
        assert self.left() == []
        return [line["body"] for line in said if line["type"] == "message"], last

    def cut(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def left(self) -> list[int]:
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and self._mark in Path(f"/proc/{name}/environ").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
        return found


class Supervised(SupervisorProcess):
    """A supervisor process with a small Python command."""

    def __init__(
        self, folder: Path, body: str, *, before: str = "", spare: bool = False, **changes: Any
    ) -> None:
        """`before` runs before the command reads its task, which a spare is told later."""
        clock = {
            "kind": changes.pop("clock", "wall"),
            "budget": 0,
            "tolerance": changes.pop("limit", 2.0),
            "free_startup": changes.pop("free_startup", 1e9),
            "held": changes.pop("held", False),
            "finish_grace": 0.5,
            "finish_bytes_per_second": 1e6,
        }
        (folder / "train").write_bytes(b"the training data")
        head = HEAD.replace("order = json", f"{before}\norder = json")
        source = head + textwrap.dedent(body)
        order = {
            "argv": [sys.executable, "-S", "-c", source, "{channel}", "{weights}"],
            "cwd": str(folder),
            "env": {"PATH": os.environ["PATH"], "MARK": str(folder)},
            "files": {"weights": (str(folder / "weights"), "w")},
            "train": str(folder / "train"),
            "accepts": ("saved", "failed"),
            "clock": clock,
            "startup_seconds": 30.0,
            "wall_cap": 30.0,
            "finish_seconds": 30.0,
            "memory_bytes": 1 << 30,
            "max_processes": 32,
            "scratch": None,
            "scratch_bytes": 1 << 20,
            "log_bytes": 1 << 12,
            "rlimits": {"core": 0, "nofile": 256},
            "config": {"seed": 5, "source": "x" * changes.pop("source_bytes", 10)},
        } | changes
        if order["clock"]["kind"] is None:
            order |= {"clock": None, "train": None, "files": {}, "accepts": ("scored", "failed")}
        self.task = {"config": order.pop("config")} if spare else {}
        super().__init__(folder, order)


class SupervisedCommand(SupervisorProcess):
    """A supervisor process that runs a Python script as a command target."""

    def __init__(self, folder: Path, script: str, **changes: Any) -> None:
        """`score`, `memory`, `progress` and `seconds` change what is read from its output."""
        output = {
            name: changes.pop(name, default)
            for name, default in (
                ("score", r"^score: (\S+)"),
                ("memory", None),
                ("progress", None),
                ("seconds", 10.0),
            )
        }
        order = {
            "argv": [
                sys.executable,
                "-S",
                "-c",
                f"import os, sys, time\n{textwrap.dedent(script)}",
            ],
            "cwd": str(folder),
            "env": {"PATH": os.environ["PATH"], "MARK": str(folder)},
            "files": {},
            "accepts": (),
            "clock": None,
            "output": output,
            "wall_cap": 30.0,
            "memory_bytes": 1 << 30,
            "max_processes": 32,
            "scratch": None,
            "scratch_bytes": 1 << 20,
            "log_bytes": 1 << 12,
            "rlimits": {"core": 0, "nofile": 256},
        } | changes
        super().__init__(folder, order)


@pytest.fixture
def supervise(tmp_path: Path) -> Callable[..., Supervised]:
    """Starts a command, in the folder `tmp_path`."""
    return partial(Supervised, tmp_path)


@pytest.fixture
def supervise_command(tmp_path: Path) -> Callable[..., SupervisedCommand]:
    """Starts a command target, in the folder `tmp_path`."""
    return partial(SupervisedCommand, tmp_path)
