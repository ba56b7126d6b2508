"""Contention as measured from outside: on real processes that compete for one processor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from env import contention
from env.contention import Contention, OtherLoad, Waiting

BUSY = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
SECONDS = 0.6


@pytest.fixture
def rivals() -> Iterator[list[int]]:
    """Two busy processes on one processor, past their start."""
    processor = str(min(os.sched_getaffinity(0)))
    argv = [sys.executable, "-I", "-S", "-c", BUSY, processor]
    children = [subprocess.Popen(argv) for _ in range(2)]
    try:
        deadline = time.monotonic() + 30
        while any(psutil.Process(c.pid).cpu_times().user < 0.05 for c in children):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield [child.pid for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_who_shares_a_processor_waits_and_loads_it(rivals: list[int]) -> None:
    pids = [*rivals, 1 << 22]  # the last one has ended, or never was
    measured, waiting = Contention(), Waiting()
    measured.start(pids, os.getpid())
    waiting.look(pids)
    outside, inside = OtherLoad(rivals[0]), OtherLoad(os.getpid())
    time.sleep(SECONDS / 2)
    measured.look(pids)
    time.sleep(SECONDS / 2)
    waiting.look(pids)
    measured.stop(pids)
    assert waiting.share == pytest.approx(0.5, abs=0.3)
    assert measured.waited == pytest.approx(waiting.share, abs=0.1)
    # Seen from one of them, the other one is a stranger; to this process neither is.
    others, own = outside.share(), inside.share()
    assert others is not None
    assert own is not None
    assert others > own
    assert measured.others == pytest.approx(own, abs=0.1)

    before = measured.waited
    measured.stop(())
    assert measured.waited == before


def test_what_hardly_ran_has_no_share() -> None:
    waiting = Waiting()
    for _ in range(2):
        waiting.look([os.getpid()])
    assert waiting.share is None
    assert OtherLoad(os.getpid()).share() is None


def test_a_kernel_that_does_not_tell_is_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contention, "_schedstat", lambda path: None)
    monkeypatch.setattr(contention, "_machine_seconds", lambda: (0.0, 0.0))
    measured = Contention()
    measured.start([os.getpid()], os.getpid())
    measured.stop([os.getpid()])
    assert (measured.waited, measured.others) == (None, None)


def test_threads_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    second = 10**9
    looks: list[dict[int, tuple[int, int]]] = [
        {1: (5 * second, 5 * second)},
        {1: (6 * second, 5 * second), 2: (second, second)},  # thread 2 is new
        {2: (second, 0)},  # another thread 2, since the first has ended
    ]
    monkeypatch.setattr(contention, "_threads", lambda pids: iter(looks.pop(0).items()))
    waiting = Waiting()
    for share in (None, 1 / 3, 1 / 4):
        waiting.look([])
        assert waiting.share == (None if share is None else pytest.approx(share))
