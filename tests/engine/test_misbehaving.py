"""Candidates that want to stay: each is gone soon after its deadline, with all that it started."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import psutil
import pytest

from env.sandbox import detect

if TYPE_CHECKING:
    from conftest import Trials

pytestmark = pytest.mark.anyio

GONE_SECONDS = 5.0  # after the deadline

HEAD = """\
import ctypes, gc, os, signal, socket, sys, threading, time
import torch


def build_model(vocab_size, seq_len):
    if SLEEPS:
        time.sleep(3600)
    return torch.nn.Embedding(vocab_size, vocab_size)


def ignore_signals():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass


def daemon():
    '''True in a process that has left family, session and terminal behind.'''
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    ignore_signals()
    os.chdir("/")
    os.closerange(0, 100)
    return True


def channel():
    return next(s for s in gc.get_objects() if isinstance(s, socket.socket))


"""


@dataclass(frozen=True)
class Case:
    """What `train` does after its first batch, its limits, and how it must end."""

    body: str
    status: str
    reason: str
    limits: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0  # from the start of training to its deadline
    sleeps_in_build: bool = False

    @property
    def source(self) -> str:
        body = "next(run.batches(4))\n" + textwrap.dedent(self.body).strip()
        train = textwrap.indent(body, "    ")
        return f"SLEEPS = {self.sleeps_in_build}\n{HEAD}def train(model, run):\n{train}\n"


SPIN = "while True:\n    pass\n"
PAST = r"it went past its budget of 1 s \(\d+\.\d s on the {} clock\)"
CASES = {
    "ignores signals": Case(
        "ignore_signals()\n" + SPIN,
        "timeout",
        PAST.format("wall"),
        {"clock": "wall", "budget": 1},
        2.0,
    ),
    "never returns": Case(
        "for _ in run.batches(4): pass\n" + SPIN,
        "timeout",
        PAST.format("cpu"),
        {"clock": "cpu", "budget": 1},
        2.0,
    ),
    "says early that it has trained": Case(
        'channel().sendall(b\'{"type": "trained", "seconds": 1, "steps": 1}\\n\')\n' + SPIN,
        "timeout",
        PAST.format("cpu"),
        {"clock": "cpu", "budget": 1},
        4.0,
    ),
    "sleeps": Case(
        "time.sleep(3600)",
        "timeout",
        "it ran over its wall cap of 2 s",
        {"clock": "steps", "wall_cap": 2.0},
        2.0,
    ),
    "sleeps on the cpu clock": Case(
        "time.sleep(3600)",
        "timeout",
        "it ran over its wall cap of 2 s",
        {"clock": "cpu", "budget": 1, "wall_cap": 2.0},
        2.0,
    ),
    "sleeps before the start": Case(
        "pass", "timeout", "it did not get ready within 6 s", {"startup": 6.0}, 6.0, True
    ),
    "hangs up": Case(
        "channel().close()\ntime.sleep(3600)",
        "timeout",
        "it ran over its wall cap of 2 s",
        {"wall_cap": 2.0},
        2.0,
    ),
    "stops itself": Case(
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "timeout",
        "it ran over its wall cap of 2 s",
        {"wall_cap": 2.0},
        2.0,
    ),
    "leaves children": Case(
        """
        for _ in range(5):
            if os.fork() == 0:
                ignore_signals()
                time.sleep(3600)
        raise ValueError("parents may go")
        """,
        "crash",
        r"ValueError: parents may go \(line \d+\)",
    ),
    "leaves a daemon": Case(
        """
        if daemon():
            while True:
                pass
        raise ValueError("parents may go")
        """,
        "crash",
        r"ValueError: parents may go \(line \d+\)",
    ),
    "leaves threads of an ended first thread": Case(
        """
        if daemon():
            threading.Thread(target=time.sleep, args=(3600,)).start()
            ctypes.CDLL(None).syscall(60, 0)
        time.sleep(0.5)
        raise ValueError("parents may go")
        """,
        "crash",
        r"ValueError: parents may go \(line \d+\)",
    ),
    "runs from process to process": Case(
        """
        if daemon():
            while True:
                if os.fork():
                    os._exit(0)
                os.setsid()
        time.sleep(0.5)
        raise ValueError("parents may go")
        """,
        "crash",
        r"ValueError: parents may go \(line \d+\)",
    ),
    "forks without end": Case(
        """
        for _ in range(8):
            os.fork()
        time.sleep(3600)
        """,
        "crash",
        "it started more than 128 processes",
        seconds=3.0,  # so long it takes to fork so often
    ),
    "writes a gigabyte": Case(
        """
        print("first")
        for _ in range(1024):
            os.write(1, b"x" * (1 << 20))
        raise ValueError("that was all")
        """,
        "crash",
        r"ValueError: that was all \(line \d+\)",
        {"startup": 120.0},
        60.0,
    ),
    "floods the harness": Case(
        """
        line = b'{"type": "report", "step": 1, "loss": 1.0, "progress": 0.5}\\n'
        line += b'{"type": "saved", "peak_memory_mb": 1}\\n{"type": "unknown"}\\n'
        while True:
            channel().sendall(line * 500)
        """,
        "timeout",
        "it ran over its wall cap of 2 s",
        {"wall_cap": 2.0},
        2.0,
    ),
    "eats memory": Case(
        """
        held = []
        while True:
            held.append(b"x" * (1 << 24))
        """,
        "oom",
        r"it used more than 1\.0 GiB of memory",
        {"memory": 1 << 30},
    ),
}
# tests/env/test_supervisor_endings.py tries most of them too, on a smaller scale and faster.
# These run two at a time: they wait, or burn one core.
TOGETHER = (
    ("ignores signals", "off"),
    ("says early that it has trained", "auto"),
    ("sleeps on the cpu clock", "auto"),
    ("sleeps before the start", "auto"),
    ("leaves a daemon", "auto"),
    ("leaves a daemon", "off"),
)
ALONE = (("eats memory", "auto"),)


def every_case() -> list[Any]:
    pairs = [(name, sandbox) for name in CASES for sandbox in ("auto", "off")]
    soak = pytest.mark.soak
    return [
        pytest.param(*pair, marks=[] if pair in ALONE else [soak])
        for pair in pairs
        if pair not in TOGETHER
    ]


async def ends(trials: Trials, name: str, sandbox: str) -> float:
    """Run a case, which must end as it says; the seconds from its deadline until it is gone."""
    case = CASES[name]
    began: dict[str, float] = {}
    result = await trials.run(
        case.source,
        sandbox=sandbox,
        on_phase=lambda phase: began.update({phase: time.monotonic()}),
        **case.limits,
    )
    seconds = time.monotonic() - began["starting" if case.sleeps_in_build else "training"]
    print(f"{name} [{sandbox}]: gone {seconds - case.seconds:.2f} s after its deadline")
    assert (result.status, result.val_bpb) == (case.status, None), (name, result)
    assert re.fullmatch(case.reason, result.reason), (name, result.reason)
    assert len(result.log) < 1 << 18, name
    return seconds - case.seconds


@pytest.mark.parametrize(("name", "sandbox"), every_case())
async def test_it_is_gone_soon_after_its_deadline(
    trials: Trials, name: str, sandbox: str, record_property: Callable[[str, object], None]
) -> None:
    late = await ends(trials, name, sandbox)
    record_property("seconds", round(late + CASES[name].seconds, 2))
    assert not trials.left()
    assert late < GONE_SECONDS
    assert not list(trials.scratch.iterdir())


async def test_two_at_a_time_they_are_gone_soon_after_their_deadlines(trials: Trials) -> None:
    at_once = anyio.CapacityLimiter(2)
    late: dict[str, float] = {}

    async def run(name: str, sandbox: str) -> None:
        async with at_once:
            late[f"{name}, {sandbox}"] = await ends(trials, name, sandbox)

    async with anyio.create_task_group() as tasks:
        for name, sandbox in TOGETHER:
            tasks.start_soon(run, name, sandbox)
    assert not trials.left()
    assert max(late.values()) < GONE_SECONDS, late
    assert not list(trials.scratch.iterdir())


ENGINE = """\
import sys
from pathlib import Path
import anyio
from engine.executor import Budget, Listener, Slot, TrialRequest
from engine.local import LocalExecutor
from env import manifest, sandbox

async def main(environment, scratch, source, mode):
    async with anyio.create_task_group() as tasks:
        executor = LocalExecutor(
            tasks, manifest.load(environment), sandbox.detect(mode), Path(scratch), warm=True
        )
        budget = Budget(20, "steps", 60.0, 600.0)
        slot = Slot(0, "cpu", 1, 4 << 30)
        request = TrialRequest(1, 1, source, 7, budget, slot)

        def on_phase(phase):
            if phase == "training":
                executor.expect(slot, budget)
            print(phase, flush=True)

        await executor.submit(request, Listener(on_phase=on_phase))

anyio.run(main, *sys.argv[1:])
"""
STUBBORN = Case(
    "if daemon():\n    while True: time.sleep(1)\nignore_signals()\ntime.sleep(3600)",
    "interrupted",
    "",
)


@pytest.mark.parametrize(
    ("phase", "sandbox"),
    [
        ("training", "auto"),
        pytest.param("training", "off", marks=pytest.mark.soak),
        pytest.param("starting", "auto", marks=pytest.mark.soak),
        pytest.param("starting", "off", marks=pytest.mark.soak),
    ],
)
async def test_a_killed_engine_leaves_nothing(trials: Trials, sandbox: str, phase: str) -> None:
    arguments = [
        str(trials.environment.path),
        str(trials.scratch),
        STUBBORN.source,
        sandbox,
    ]
    engine = subprocess.Popen(  # noqa: ASYNC220 - it blocks nobody else
        [sys.executable, "-P", "-c", ENGINE, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert engine.stdout is not None
    with engine, engine.stdout:
        while engine.stdout.readline() != f"{phase}\n":
            assert engine.poll() is None
        await anyio.sleep(0.7)
        warm = phase == "training" and detect(sandbox).bwrap is not None
        assert len(psutil.Process(engine.pid).children()) == 1 + warm  # supervisors
        engine.kill()
        engine.wait()
        killed = time.monotonic()
        await until_nothing_is_left(trials)
        print(f"{phase} [{sandbox}]: gone {time.monotonic() - killed:.2f} s after the kill")


async def until_nothing_is_left(trials: Trials) -> None:
    with anyio.fail_after(GONE_SECONDS):
        while trials.left():  # noqa: ASYNC110 - nothing tells when a process ends
            await anyio.sleep(0.02)
