"""The supervisor and command targets: what it reads of what they print, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRESS = r"step (?P<step>\d+) \((?P<percent>[\d.]+)%\) \| loss: (?P<loss>\S+)"


def test_a_whole_run(supervise_command: Callable[..., Any]) -> None:
    script = """
    print("compiling", file=sys.stderr)
    time.sleep(0.4)
    for step in range(3):
        print(f"\\rstep {step:05d} ({50 * step}.0%) | loss: {3 - step}", end="", flush=True)
        time.sleep(0.2)
    print("\\n---")
    print("score: 1.5")
    print("peak_vram_mb:     45060.2")
    """
    said, last = supervise_command(
        script, progress=PROGRESS, memory=r"^peak_vram_mb:\s+(\S+)"
    ).finish()
    assert said[0] == {"type": "ready"}
    assert said[-1] == {"type": "report", "step": 2, "loss": 1.0, "progress": 1.0}
    assert all(body["type"] == "report" for body in said[1:])
    assert (last["kind"], last["clean"], last["left"]) == ("exited", True, 0)
    assert (last["score"], last["scores"], last["memory"]) == ("1.5", 1, "45060.2")
    assert last["log"].startswith("compiling\n\rstep 00000")
    assert last["startup_seconds"] >= 0.4
    assert last["wall_seconds"] == last["clock_seconds"] >= 0.3
    assert last["startup_seconds"] + last["wall_seconds"] <= last["total_seconds"] + 0.01
    assert {"contention", "other_load"} <= last.keys()


def test_without_progress_lines_all_is_training(supervise_command: Callable[..., Any]) -> None:
    said, last = supervise_command("time.sleep(0.3); print('score: 2')").finish()
    assert said == []
    assert (last["score"], last["startup_seconds"]) == ("2", 0.0)
    assert last["wall_seconds"] >= 0.3


def test_a_score_on_stderr_counts_and_the_last_one_at_that(
    supervise_command: Callable[..., Any],
) -> None:
    _, last = supervise_command(
        "print('score: 9', flush=True); os.write(2, b'score: 8\\nscore: 7')"
    ).finish()
    assert (last["score"], last["scores"]) == ("7", 3)


def test_a_command_that_prints_no_score(supervise_command: Callable[..., Any]) -> None:
    _, last = supervise_command("print('the score is 3'); sys.exit(2)").finish()
    assert (last["kind"], last["reason"]) == ("exited", "it exited with code 2")
    assert "score" not in last
    assert "memory" not in last


def test_the_deadline_ends_it_and_what_it_printed_counts(
    supervise_command: Callable[..., Any],
) -> None:
    script = "print('score: 4'); print('step 1 (9%) | loss: 2.0', flush=True); time.sleep(3600)"
    said, last = supervise_command(script, wall_cap=1.5, progress=PROGRESS).finish()
    assert [body["type"] for body in said] == ["ready", "report"]
    assert (last["kind"], last["clean"]) == ("timeout", False)
    assert last["reason"] == "it ran longer than 1.5 s"
    assert last["score"] == "4"


def test_start_up_counts_for_the_deadline(supervise_command: Callable[..., Any]) -> None:
    script = "time.sleep(1.0); print('step 1 (9%) | loss: 2.0', flush=True); time.sleep(3600)"
    _, last = supervise_command(script, wall_cap=1.6, progress=PROGRESS).finish()
    assert last["reason"] == "it ran longer than 1.6 s"
    assert last["startup_seconds"] >= 1.0
    assert last["wall_seconds"] < 1.6


def test_the_engine_can_abort_it(supervise_command: Callable[..., Any]) -> None:
    script = "print('step 1 (9%) | loss: 2.0', flush=True); time.sleep(3600)"
    command = supervise_command(script, progress=PROGRESS)
    command.wait_for("report")
    command.tell({"type": "abort"})
    _, last = command.finish()
    assert (last["kind"], last["reason"]) == ("abort", "the engine aborted it")


def test_two_hundred_megabytes_are_read_to_the_end(supervise_command: Callable[..., Any]) -> None:
    script = """
    os.write(1, b"score: 1\\n")
    lines = b"step 12 (3%) | loss: 2.5\\n" * 40_000
    for _ in range(20):
        for start in range(0, len(lines), 1 << 16):
            os.write(1, lines[start:start + (1 << 16)])
    for _ in range(180):
        os.write(1, b"x" * (1 << 20))
    os.write(1, b"\\nscore: 2\\n")
    """
    said, last = supervise_command(script, progress=PROGRESS, wall_cap=200.0).finish()
    assert (last["kind"], last["score"], last["scores"]) == ("exited", "2", 2)
    assert said[0] == {"type": "ready"}
    assert len(last["log"]) < 1 << 13
    assert last["log"].endswith("score: 2\n")


def test_binary_output_is_read_around(supervise_command: Callable[..., Any]) -> None:
    script = """
    import random
    noise = random.Random(1)
    for _ in range(200):
        os.write(1, bytes(noise.choices([b for b in range(256) if b not in (10, 13)], k=1000)))
        os.write(1, b"\\nscore: 3\\n")
    """
    _, last = supervise_command(script).finish()
    assert (last["score"], last["scores"]) == ("3", 200)


@pytest.mark.parametrize("hides", ["", "os.setsid()\n        if os.fork(): os._exit(0)"])
def test_a_child_that_outlives_it_is_ended(
    supervise_command: Callable[..., Any], tmp_path: Path, hides: str
) -> None:
    script = f"""
    import signal
    if not os.fork():
        {hides or "pass"}
        for number in (1, 2, 15):
            signal.signal(number, signal.SIG_IGN)
        print("score: 5", flush=True)
        open("there", "w").close()
        time.sleep(3600)
    while not os.path.exists("there"):
        time.sleep(0.01)
    print("score: 6", flush=True)
    """
    _, last = supervise_command(script).finish()
    assert (last["kind"], last["clean"], last["left"]) == ("exited", True, 0)
    assert (last["score"], last["scores"]) == ("6", 2)


def test_memory_and_processes_are_bounded(supervise_command: Callable[..., Any]) -> None:
    held = "print('score: 1', flush=True); x = b'x' * (1 << 29); time.sleep(60)"
    _, last = supervise_command(held, memory_bytes=1 << 28).finish()
    assert (last["kind"], last["score"]) == ("oom", "1")
    _, last = supervise_command("for _ in range(7): os.fork()\ntime.sleep(60)").finish()
    assert last["kind"] == "crash"


def test_a_cut_lifeline_ends_it(supervise_command: Callable[..., Any]) -> None:
    command = supervise_command("print('score: 1', flush=True); time.sleep(3600)")
    command.wait_for("started")
    command.cut()
    _, last = command.finish()
    assert last["kind"] == "interrupted"


def test_nobody_talks_to_a_command(supervise_command: Callable[..., Any], tmp_path: Path) -> None:
    script = """
    while not os.path.exists("said"):
        time.sleep(0.01)
    print(sorted(os.listdir("/proc/self/fd")), sys.argv, sys.stdin.read())
    """
    command = supervise_command(script)
    command.tell({"config": {"seed": 1}})
    command.tell({"type": "go"})
    (tmp_path / "said").touch()
    _, last = command.finish()
    assert last["log"] == "['0', '1', '2', '3'] ['-c'] \n"  # the last one lists the folder


def test_a_pattern_that_is_none_is_said(supervise_command: Callable[..., Any]) -> None:
    _, last = supervise_command("pass", score="(").finish()
    assert last["type"] == "failed"
    assert "the command could not be run" in last["reason"]


def test_a_pattern_that_searches_for_ever_ends_the_run(
    supervise_command: Callable[..., Any],
) -> None:
    script = "print('one word after the other ' * 4, flush=True); time.sleep(3600)"
    _, last = supervise_command(script, score=r"^(?:\w+\s*)+: (\d+)", wall_cap=60.0).finish()
    assert last["kind"] == "crash"
    assert "a pattern of arl.toml searches its output for too long" in last["reason"]
    assert last["log"].startswith("one word")
