"""The supervisor: what ends a command, and that nothing of it stays."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from env import processes
from env.scratch import taken


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
def test_how_a_command_ended(supervise: Callable[..., Any], body: str, reason: str) -> None:
    _, last = supervise(body).finish()
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
            {"limit": 1, "clock": "cpu"},
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
        (
            "say(type='loaded'); burn(1.0); ready(); say(type='loaded'); burn(60)",
            {"limit": 1.5, "free_startup": 0.2, "clock": "cpu"},
            "timeout",
            "of 0 s (1.",
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
    supervise: Callable[..., Any], body: str, changes: dict[str, Any], kind: str, reason: str
) -> None:
    _, last = supervise(body, **changes).finish()
    assert (last["kind"], last["clean"]) == (kind, False)
    assert reason in last["reason"]
    assert last["total_seconds"] < 10


@pytest.mark.parametrize(
    "writes",
    [
        "open('file', 'wb').write(b'x' * (3 << 20))",
        "os.mkdir('a'); os.mkdir('a/b'); open('a/b/c', 'wb').write(b'x' * (3 << 20))",
        "for i in range(600): open(str(i), 'wb').write(b'x' * 5000)",
    ],
)
def test_a_scratch_folder_without_a_bound_of_its_own_is_watched(
    supervise: Callable[..., Any], tmp_path: Path, writes: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    body = f"os.chdir({str(scratch)!r})\n{writes}\ntime.sleep(60)"
    _, last = supervise(body, scratch=str(scratch)).finish()
    assert last["kind"] == "crash"
    assert "to its scratch folder" in last["reason"]


def test_a_little_in_the_scratch_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "file").write_bytes(b"x" * 10_000)
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 40)
    assert 10_000 <= taken(str(tmp_path), 1 << 20) < 50_000


@pytest.mark.parametrize("clock", ["cpu", "wall"])
def test_a_long_start_up_is_charged_from_where_the_candidate_begins(
    supervise: Callable[..., Any], clock: str
) -> None:
    body = "burn(0.2); say(type='loaded'); burn(0.8); ready(); say(type='trained')"
    _, last = supervise(body, clock=clock, free_startup=0.2, limit=60).finish()
    assert last["clock_seconds"] > 0.5
    _, free = supervise(body, clock=clock, free_startup=60, limit=60).finish()
    assert free["clock_seconds"] < 0.5


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
def test_nothing_stays(supervise: Callable[..., Any], stays: str, lifeline: bool) -> None:
    ends = "time.sleep(3600)" if lifeline else "time.sleep(0.2)"
    script = f"{textwrap.dedent(stays)}\nready()\n{ends}"
    command = supervise(script, max_processes=10_000)
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


def test_seconds_of_children_that_nobody_waits_for_count(supervise: Callable[..., Any]) -> None:
    body = """\
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    ready()
    for _ in range(40):
        if not os.fork():
            burn(0.5)
            os._exit(0)
        time.sleep(0.5)
    """
    _, last = supervise(body, clock="cpu", limit=1.0, wall_cap=60.0).finish()
    assert last["kind"] == "timeout"
    assert "on the cpu clock" in last["reason"]


def test_a_stray_signal_does_not_end_the_supervisor(supervise: Callable[..., Any]) -> None:
    command = supervise("ready()\ntime.sleep(0.5)")
    command.wait_for("ready")
    for number in (1, 2, 15):
        command.process.send_signal(number)
    _, last = command.finish()
    assert (last["kind"], last["clean"]) == ("exited", True)


def test_peak_memory_and_limits_hold_for_the_whole_family(supervise: Callable[..., Any]) -> None:
    body = """\
    for _ in range(4):
        if not os.fork():
            held = b"x" * (60 << 20)
            time.sleep(60)
    time.sleep(60)
    """
    _, last = supervise(body, memory_bytes=200 << 20).finish()
    assert last["kind"] == "oom"


def test_memory_that_children_share_counts_once(supervise: Callable[..., Any]) -> None:
    body = """\
    held = b"x" * (100 << 20)
    for _ in range(4):
        if not os.fork():
            time.sleep(1)
            os._exit(0)
    time.sleep(0.8)
    """
    _, last = supervise(body, memory_bytes=300 << 20).finish()
    assert last["kind"] == "exited", last["reason"]


def test_processes_knows_the_living(supervise: Callable[..., Any]) -> None:
    command = supervise("ready()\ntime.sleep(60)")
    command.wait_for("ready")
    found = processes.descendants(command.process.pid)
    assert found == set(command.left())
    command.cut()
    command.finish()
