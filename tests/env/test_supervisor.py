"""The supervisor: what it measures, and what it passes on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_whole_trial(supervise: Callable[..., Any], tmp_path: Path) -> None:
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
    said, last = supervise(body, clock="cpu").finish()
    kinds = ["ready", "report", "report", "trained", "saved"]
    assert [body["type"] for body in said] == kinds
    assert (last["kind"], last["clean"], last["left"]) == ("exited", True, 0)
    assert last["log"] == "hello 5\n"
    assert (tmp_path / "weights").read_bytes() == b"the training data"
    assert last["startup_seconds"] >= 0.3
    assert last["wall_seconds"] >= 0.7
    assert 0.35 <= last["clock_seconds"] <= last["wall_seconds"] - 0.2
    assert last["peak_memory_mb"] > 1
    assert 0 <= last["contention"] <= 1
    assert 0 <= last["other_load"] <= 1


def test_a_command_that_reads_nothing_cannot_hold_the_supervisor(
    supervise: Callable[..., Any],
) -> None:
    body = "time.sleep(3600)"
    command = supervise(
        body,
        argv=[sys.executable, "-S", "-c", "import time; time.sleep(3600)"],
        source_bytes=4 << 20,  # more than the channel holds
        startup_seconds=0.5,
    )
    _, last = command.finish()
    assert last["kind"] == "timeout"


def test_an_engine_that_does_not_read_stops_nothing(
    supervise: Callable[..., Any], tmp_path: Path
) -> None:
    body = """\
    ready()
    os.write(1, b"x" * (1 << 22))
    for step in range(100_000):
        say(type="report", step=step, loss=1.0, progress=0.5)
    say(type="trained", seconds=1, steps=3)
    say(type="saved", peak_memory_mb=1)
    open("done", "w").close()
    """
    command = supervise(body, limit=60, log_bytes=1 << 18)
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


def test_only_what_it_may_say_is_passed_on_and_only_once(supervise: Callable[..., Any]) -> None:
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
    said, last = supervise(body, limit=30).finish()
    assert [body["type"] for body in said] == ["ready", "trained", "saved", "failed"]
    assert last["kind"] == "exited"


def test_a_scoring_has_a_limit_and_no_clock(supervise: Callable[..., Any]) -> None:
    body = """\
    say(type="ready")
    say(type="trained", seconds=1, steps=1)
    say(type="saved", peak_memory_mb=1)
    say(type="scored", val_bpb=1.0)
    say(type="scored", val_bpb=0.5)
    time.sleep(60)
    """
    said, last = supervise(body, clock=None, startup_seconds=0.5).finish()
    assert said == [{"type": "scored", "val_bpb": 1.0}]
    assert (last["kind"], last["reason"]) == ("timeout", "it took longer than 0.5 s")
    assert (last["contention"], last["other_load"]) == (None, None)


def test_a_gigabyte_of_output_is_drained_and_not_held(supervise: Callable[..., Any]) -> None:
    body = """\
    os.write(1, b"first\\n")
    block = b"x" * (1 << 20)
    for _ in range(1024):
        os.write(1, block)
    os.write(1, b"last\\n")
    """
    command = supervise(body)
    _, last = command.finish()
    assert last["kind"] == "exited"
    assert last["log"].startswith("first\n")
    assert last["log"].endswith("last\n")
    assert f"{(1 << 30) + 11 - (1 << 12)} bytes left out" in last["log"]


def test_children_start_with_the_signals_that_they_know(supervise: Callable[..., Any]) -> None:
    body = """\
    for number in (signal.SIGTERM, signal.SIGHUP):
        assert signal.getsignal(number) == signal.SIG_DFL, number
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    """
    _, last = supervise(body).finish()
    assert last["clean"], last["log"]


def test_a_command_sees_no_descriptors_but_its_own(supervise: Callable[..., Any]) -> None:
    body = 'print(sorted(int(n) for n in os.listdir("/proc/self/fd")), sys.argv[1:3])'
    _, last = supervise(body).finish()
    found, arguments = last["log"].strip().split("] ")
    seen = set(json.loads(found + "]"))
    passed = {int(number) for number in json.loads(arguments.replace("'", '"'))}
    assert len(passed) == 2
    assert len(seen - {0, 1, 2} - passed) == 1  # the one that lists the folder


def test_a_command_that_does_not_exist_is_said(supervise: Callable[..., Any]) -> None:
    said, last = supervise("", argv=["/no/such/program"]).finish()
    assert last["type"] == "failed"
    assert "/no/such/program" in last["reason"]
    assert said == []
