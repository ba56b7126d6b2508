"""The supervisor with small commands: what it measures, passes on, and leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from env import processes

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


class Supervised:
    """A supervisor process with a small Python command."""

    def __init__(self, folder: Path, body: str, **changes: Any) -> None:
        clock = {
            "kind": changes.pop("clock", "wall"),
            "budget": 1,
            "limit": changes.pop("limit", 2.0),
            "finish_grace": 0.5,
            "finish_bytes_per_second": 1e6,
        }
        (folder / "train").write_bytes(b"the training data")
        source = HEAD + textwrap.dedent(body)
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
            "log_bytes": 1 << 12,
            "rlimits": {"core": 0, "nofile": 256},
            "config": {"seed": 5, "source": "x" * changes.pop("source_bytes", 10)},
        } | changes
        self._mark = f"MARK={folder}".encode()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "env.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def wait_for(self, kind: str) -> None:
        for line in self.lines():
            if kind in (line["type"], line.get("body", {}).get("type")):
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


TRAIN = """\
ready()
say(type="report", step=1, loss=2.0, progress=0.5)
say(type="trained", seconds=1, steps=3)
os.write(int(sys.argv[2]), b"weights")
say(type="saved", peak_memory_mb=1)
"""


def test_a_whole_trial(tmp_path: Path) -> None:
    body = """\
    print("hello", order["seed"])
    time.sleep(0.3)
    ready()
    say(type="report", step=1, loss=2.0, progress=0.5)
    burn(0.4)
    time.sleep(0.3)
    say(type="report", step=2, loss=1.5, progress=1.0)
    say(type="trained", seconds=1, steps=3)
    os.write(int(sys.argv[2]), os.read(data, 100))
    say(type="saved", peak_memory_mb=1)
    """
    said, last = Supervised(tmp_path, body, clock="cpu").finish()
    kinds = ["ready", "report", "report", "trained", "saved"]
    assert [body["type"] for body in said] == kinds
    assert (last["kind"], last["clean"], last["left"]) == ("exited", True, 0)
    assert last["log"] == "hello 5\n"
    assert (tmp_path / "weights").read_bytes() == b"the training data"
    assert last["startup_seconds"] >= 0.3
    assert last["wall_seconds"] >= 0.7
    assert 0.35 <= last["clock_seconds"] <= last["wall_seconds"] - 0.2
    assert last["peak_memory_mb"] > 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(3)", "it exited with code 3"),
        ("os.kill(os.getpid(), 9)", "it was killed by SIGKILL"),
        ("os.kill(os.getpid(), 15); time.sleep(60)", "it was killed by SIGTERM"),
        ("pass", "it exited with code 0"),
        ("channel.close(); lines.close()", "it exited with code 0"),
    ],
)
def test_how_a_command_ended(tmp_path: Path, body: str, reason: str) -> None:
    _, last = Supervised(tmp_path, body).finish()
    assert (last["kind"], last["reason"]) == ("exited", reason)


@pytest.mark.parametrize(
    ("body", "changes", "kind", "reason"),
    [
        ("time.sleep(60)", {"startup_seconds": 0.4}, "timeout", "did not get ready within 0.4 s"),
        ("ready(); time.sleep(60)", {"wall_cap": 0.4, "limit": 9}, "timeout", "its wall cap"),
        ("ready(); ignore_signals(); burn(60)", {"limit": 0.4}, "timeout", "past its budget"),
        ("ready(); burn(60)", {"limit": 0.4, "clock": "cpu"}, "timeout", "on the cpu clock"),
        (
            "ready(); os.fork(); os.fork(); burn(60)",
            {"limit": 3, "clock": "cpu"},
            "timeout",
            "past",
        ),
        (
            "ready(); time.sleep(60)",
            {"limit": 0.2, "clock": "cpu", "wall_cap": 0.8},
            "timeout",
            "its wall cap",
        ),
        (
            "ready(); say(type='trained', seconds=1, steps=1); time.sleep(60)",
            {"limit": 0.2, "finish_seconds": 0.9, "clock": "steps"},
            "timeout",
            "to hand in its weights",
        ),
        (
            "ready(); say(type='trained', seconds=1, steps=1); burn(60)",
            {"limit": 0.2, "clock": "cpu"},
            "timeout",
            "past its budget",
        ),
        ("x = b'x' * (1 << 30); time.sleep(60)", {"memory_bytes": 1 << 28}, "oom", "0.2 GiB"),
        ("for _ in range(7): os.fork()\ntime.sleep(60)", {}, "crash", "more than 32 processes"),
        (
            "for _ in range(40):\n    if not os.fork(): os._exit(0)\ntime.sleep(60)",
            {},
            "crash",
            "more than 32 processes",
        ),
        ("channel.sendall(b'[' * 60000 + b'\\n'); time.sleep(60)", {}, "crash", "no message"),
        ("channel.sendall(b'\\xff\\xfe\\n'); time.sleep(60)", {}, "crash", "no message"),
        ("channel.sendall(b'x' * 200000); time.sleep(60)", {}, "crash", "64 KiB"),
        ("ready(); os.kill(os.getpid(), 19)", {"wall_cap": 0.4}, "timeout", "its wall cap"),
        ("channel.close(); time.sleep(60)", {"startup_seconds": 0.4}, "timeout", "not get ready"),
    ],
)
def test_what_ends_a_command(
    tmp_path: Path, body: str, changes: dict[str, Any], kind: str, reason: str
) -> None:
    _, last = Supervised(tmp_path, body, **changes).finish()
    assert (last["kind"], last["clean"]) == (kind, False)
    assert reason in last["reason"]
    assert last["total_seconds"] < 10


@pytest.mark.parametrize(
    "stays",
    [
        "if not os.fork(): ignore_signals(); time.sleep(3600)",
        "if daemon(): time.sleep(3600)",
        "if daemon():\n    while True: pass",
        # Its first thread ends, so that it looks like a zombie; another one runs on.
        """\
        if daemon():
            threading.Thread(target=time.sleep, args=(3600,)).start()
            ctypes.CDLL(None).syscall(60, 0)
        """,
        # A new process and session every time that somebody looks.
        """\
        if daemon():
            while True:
                if os.fork():
                    os._exit(0)
                os.setsid()
        """,
        """\
        if daemon():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            while True:
                if not os.fork():
                    os.setsid()
                    time.sleep(0.01)
                    os._exit(0)
                time.sleep(0.002)
        """,
    ],
)
@pytest.mark.parametrize("lifeline", [False, True])
def test_nothing_stays(tmp_path: Path, stays: str, lifeline: bool) -> None:
    ends = "time.sleep(3600)" if lifeline else "time.sleep(0.2)"
    script = f"{textwrap.dedent(stays)}\nready()\n{ends}"
    command = Supervised(tmp_path, script, max_processes=10_000)
    if lifeline:
        command.wait_for("ready")
        time.sleep(0.1)
        command.cut()
    _, last = command.finish()
    assert last["kind"] == ("interrupted" if lifeline else "exited")
    assert last["left"] == 0


def test_a_killed_engine_is_noticed_before_the_order_is_complete(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "env.supervisor"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        process.stdin.write(b'{"argv": ["half')
        process.stdin.close()
        assert process.wait(10) == 0


def test_a_command_that_reads_nothing_cannot_hold_the_supervisor(tmp_path: Path) -> None:
    body = "time.sleep(3600)"
    command = Supervised(
        tmp_path,
        body,
        argv=[sys.executable, "-S", "-c", "import time; time.sleep(3600)"],
        source_bytes=4 << 20,  # more than the channel holds
        startup_seconds=0.5,
    )
    _, last = command.finish()
    assert last["kind"] == "timeout"


def test_an_engine_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    body = """\
    ready()
    os.write(1, b"x" * (1 << 22))
    for step in range(100_000):
        say(type="report", step=step, loss=1.0, progress=0.5)
    say(type="trained", seconds=1, steps=3)
    say(type="saved", peak_memory_mb=1)
    open("done", "w").close()
    """
    command = Supervised(tmp_path, body, limit=60, log_bytes=1 << 18)
    deadline = time.monotonic() + 30
    while not (tmp_path / "done").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    while command.left():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    said, last = command.finish()
    assert [body["type"] for body in said[-2:]] == ["trained", "saved"]
    assert said[-3]["step"] == 99_999
    assert len(said) < 2000
    assert len(last["log"]) < 1 << 19


def test_only_what_it_may_say_is_passed_on_and_only_once(tmp_path: Path) -> None:
    body = """\
    say(type="scored", val_bpb=0)
    say(type="exit", kind="exited")
    say(type="message", body={})
    say(type=["saved"])
    say()
    say(type="trained", seconds=0, steps=10)
    ready()
    say(type="ready")
    for _ in range(3):
        say(type="trained", seconds=1, steps=1)
        say(type="saved", peak_memory_mb=2)
        say(type="failed", status="crash", reason="no")
    channel.sendall(b'{"type": "saved"')
    """
    said, last = Supervised(tmp_path, body).finish()
    assert [body["type"] for body in said] == ["ready", "trained", "saved", "failed"]
    assert last["kind"] == "exited"


def test_a_gigabyte_of_output_is_drained_and_not_held(tmp_path: Path) -> None:
    body = """\
    os.write(1, b"first\\n")
    block = b"x" * (1 << 20)
    for _ in range(1024):
        os.write(1, block)
    os.write(1, b"last\\n")
    """
    command = Supervised(tmp_path, body)
    _, last = command.finish()
    assert last["kind"] == "exited"
    assert last["log"].startswith("first\n")
    assert last["log"].endswith("last\n")
    assert f"{(1 << 30) + 11 - (1 << 12)} bytes left out" in last["log"]


def test_seconds_of_children_that_nobody_waits_for_count(tmp_path: Path) -> None:
    body = """\
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    ready()
    for _ in range(40):
        if not os.fork():
            burn(0.5)
            os._exit(0)
        time.sleep(0.5)
    """
    _, last = Supervised(tmp_path, body, clock="cpu", limit=1.0, wall_cap=60.0).finish()
    assert last["kind"] == "timeout"
    assert "on the cpu clock" in last["reason"]


def test_children_start_with_the_signals_that_they_know(tmp_path: Path) -> None:
    body = """\
    for number in (signal.SIGTERM, signal.SIGHUP):
        assert signal.getsignal(number) == signal.SIG_DFL, number
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    """
    _, last = Supervised(tmp_path, body).finish()
    assert last["clean"], last["log"]


def test_a_stray_signal_does_not_end_the_supervisor(tmp_path: Path) -> None:
    command = Supervised(tmp_path, "ready()\ntime.sleep(0.5)")
    command.wait_for("ready")
    for number in (1, 2, 15):
        command.process.send_signal(number)
    _, last = command.finish()
    assert (last["kind"], last["clean"]) == ("exited", True)


def test_a_command_sees_no_descriptors_but_its_own(tmp_path: Path) -> None:
    body = 'print(sorted(int(n) for n in os.listdir("/proc/self/fd")), sys.argv[1:3])'
    _, last = Supervised(tmp_path, body).finish()
    found, arguments = last["log"].strip().split("] ")
    seen = set(json.loads(found + "]"))
    passed = {int(number) for number in json.loads(arguments.replace("'", '"'))}
    assert len(passed) == 2
    assert len(seen - {0, 1, 2} - passed) == 1  # the one that lists the folder


def test_a_command_that_does_not_exist_is_said(tmp_path: Path) -> None:
    said, last = Supervised(tmp_path, "", argv=["/no/such/program"]).finish()
    assert last["type"] == "failed"
    assert "/no/such/program" in last["reason"]
    assert said == []


def test_peak_memory_and_limits_hold_for_the_whole_family(tmp_path: Path) -> None:
    body = """\
    for _ in range(4):
        if not os.fork():
            held = b"x" * (60 << 20)
            time.sleep(60)
    time.sleep(60)
    """
    _, last = Supervised(tmp_path, body, memory_bytes=200 << 20).finish()
    assert last["kind"] == "oom"


def test_memory_that_children_share_counts_once(tmp_path: Path) -> None:
    body = """\
    held = b"x" * (100 << 20)
    for _ in range(4):
        if not os.fork():
            time.sleep(1)
            os._exit(0)
    time.sleep(0.8)
    """
    _, last = Supervised(tmp_path, body, memory_bytes=300 << 20).finish()
    assert last["kind"] == "exited", last["reason"]


def test_processes_knows_the_living(tmp_path: Path) -> None:
    command = Supervised(tmp_path, "ready()\ntime.sleep(60)")
    command.wait_for("ready")
    found = processes.descendants(command.process.pid)
    assert found == set(command.left())
    command.cut()
    command.finish()
