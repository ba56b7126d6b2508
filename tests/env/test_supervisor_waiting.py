"""The supervisor: commands that wait for their task, and trials that are held."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

IMPORTS = "burn(0.8); open('imported', 'w').close()"


def until_there(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("clock", ["cpu", "wall"])
def test_what_a_spare_does_before_it_has_a_task_is_not_charged(
    supervise: Callable[..., Any], tmp_path: Path, clock: str
) -> None:
    body = """\
    print(order["seed"])
    say(type="loaded")
    ready()
    say(type="trained", seconds=1, steps=3)
    say(type="saved", peak_memory_mb=1)
    time.sleep(0.5)
    """
    limits = {"startup_seconds": 1.0, "free_startup": 0.0, "limit": 30}
    spare = supervise(body, before=IMPORTS, spare=True, clock=clock, **limits)
    until_there(tmp_path / "imported")
    time.sleep(0.4)  # in all longer than its start-up may take
    spare.tell(spare.task)
    said, last = spare.finish()
    assert [one["type"] for one in said] == ["loaded", "ready", "trained", "saved"]
    assert (last["kind"], last["clean"], last["log"]) == ("exited", True, "5\n")
    assert last["startup_seconds"] < 1.0
    assert last["clock_seconds"] < 0.7


def test_a_spare_gets_one_task(supervise: Callable[..., Any]) -> None:
    body = 'print(order["seed"]); time.sleep(0.3); print(len(channel.recv(1000, 0x40)))'
    spare = supervise(body, spare=True)
    spare.tell(spare.task)
    spare.tell({"config": {"seed": 6}})
    spare.tell({"type": "go"})
    _, last = spare.finish()
    assert last["log"].endswith("5\n")
    assert "BlockingIOError" in last["log"]  # nothing more has come


def test_a_spare_ends_with_its_engine(supervise: Callable[..., Any]) -> None:
    spare = supervise("", before="ignore_signals()", spare=True)
    spare.wait_for("started")
    spare.cut()
    _, last = spare.finish()
    assert (last["kind"], last["left"]) == ("interrupted", 0)


def test_a_spare_that_takes_too_much_memory_is_ended(supervise: Callable[..., Any]) -> None:
    spare = supervise("", before="x = b'x' * (1 << 30)", spare=True, memory_bytes=1 << 28)
    _, last = spare.finish()
    assert last["kind"] == "oom"


def test_a_trial_that_is_held_neither_runs_nor_pays(
    supervise: Callable[..., Any], tmp_path: Path
) -> None:
    """It counts in a process that has left its family, in threads, and while it waits."""
    body = f"""\
    def count(name):
        with open(name, "ab", 0) as file:
            while True:
                file.write(b"x")
                time.sleep(0.001)

    say(type="loaded")
    if daemon():
        count({str(tmp_path / "process")!r})
    threading.Thread(target=count, args=({str(tmp_path / "thread")!r},), daemon=True).start()
    say(type="ready")
    block, descriptors, _, _ = socket.recv_fds(channel, 1000, 1)
    go = json.loads(block)
    print(go["held"] > 0.5, os.read(descriptors[0], 100).decode())
    say(type="trained", seconds=1, steps=3)
    say(type="saved", peak_memory_mb=1)
    time.sleep(0.5)
    """
    limits = {"startup_seconds": 1.0, "free_startup": 0.3, "limit": 30}
    trial = supervise(body, held=True, clock="wall", **limits)
    trial.wait_for("built")
    counts = [tmp_path / "process", tmp_path / "thread"]
    time.sleep(0.3)
    before = [path.stat().st_size if path.exists() else 0 for path in counts]
    time.sleep(0.8)
    assert [path.stat().st_size if path.exists() else 0 for path in counts] == before
    trial.tell({"type": "go"})
    said, last = trial.finish()
    assert [one["type"] for one in said] == ["ready", "trained", "saved"]
    assert last["log"] == "True the training data\n"
    assert [path.stat().st_size > size for path, size in zip(counts, before, strict=True)] == [
        True,
        True,
    ]
    assert last["startup_seconds"] < 1.0
    assert last["clock_seconds"] < 0.5


def test_a_trial_that_is_held_can_be_ended(supervise: Callable[..., Any]) -> None:
    trial = supervise("ignore_signals(); ready()", held=True)
    trial.wait_for("built")
    trial.cut()
    _, last = trial.finish()
    assert (last["kind"], last["left"]) == ("interrupted", 0)
