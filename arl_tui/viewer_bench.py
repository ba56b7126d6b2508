"""What the screen costs: the real program on a terminal of 120x40, and a made-up study.

Attach: wall time from the start of the process to a screen that shows the study's best score.
Quiet and live: the process's CPU time, and the bytes that it writes to the terminal, while the
study does not change, and while a trial reports twice a second.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import anyio
import psutil

from arl_tui.made_up import make_study
from state.folder import StudyFolder
from state.lock import EngineLock
from state.present import DeviceSample, Live, Present
from state.rows import utc_now
from state.store import Store
from state.watch import Watcher

COLUMNS, ROWS = 120, 40
REPORT_SECONDS = 0.5
SETTLE_SECONDS = 4.0  # until what happens at the start is over
_LONGEST = 60.0
_ESCAPES = re.compile(rb"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b[()].|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


@dataclass(frozen=True)
class Cost:
    """Of a viewer over some seconds: the share of a core, and KiB to the terminal per second."""

    core: float
    kib_per_second: float


@dataclass(frozen=True)
class Result:
    """What was measured on a study of `experiments`."""

    experiments: int
    attach_seconds: list[float]
    quiet: Cost
    live: Cost
    low_bandwidth: Cost  # the same reports, with --low-bandwidth

    @property
    def attach(self) -> float:
        """The median, in seconds."""
        return median(self.attach_seconds)


def measure(
    folder: Path,
    experiments: int,
    starts: int,
    seconds: float,
    say: Callable[[str], None] = lambda text: None,
) -> Result:
    """Measure in a new `folder`, on a study of so many experiments."""
    study = StudyFolder(folder / "study")
    say(f"making up a study of {experiments:,} experiments")
    make_study(study, experiments)
    with Watcher(study) as watcher:
        best = watcher.status().best
    assert best is not None
    awaited = f"{best:.4f}".encode()
    with EngineLock(study.lock):
        say("attaching")
        attach = [_attach(study, awaited) for _ in range(starts + 1)][1:]  # the first fills caches
        say("nothing changes")
        with _Viewer(study, awaited) as viewer:
            viewer.watch(SETTLE_SECONDS)
            quiet = viewer.watch(seconds)
        say("a trial reports twice a second")
        live = anyio.run(_live, study, awaited, seconds, ())
        say("the same, with --low-bandwidth")
        low = anyio.run(_live, study, awaited, seconds, ("--low-bandwidth",))
    return Result(experiments, attach, quiet, live, low)


def _attach(study: StudyFolder, awaited: bytes) -> float:
    with _Viewer(study, awaited) as viewer:
        return viewer.attach_seconds


async def _live(
    study: StudyFolder, awaited: bytes, seconds: float, options: tuple[str, ...]
) -> Cost:
    """Report like an engine beside a viewer, and measure the viewer."""
    async with Store.open(study) as store:
        running = next(e.id for e in await store.experiments() if e.status == "running")
        with Watcher(study) as watcher:
            curve = watcher.curve(running)

        async def report() -> None:
            number = 0
            while True:
                number += 1
                progress, step = 0.62 + 1e-4 * number, 590 + number
                curve.append((progress, step, 4.3 - 1e-3 * number))
                live = Live(
                    experiment_id=running,
                    phase="training",
                    phase_since="2026-11-25T22:00:00.000000Z",
                    progress=progress,
                    step=step,
                    loss=curve[-1][2],
                    steps_per_second=3.2,
                )
                sample = DeviceSample(
                    at=utc_now(),
                    device="cuda:0",
                    utilisation=0.9 + 0.01 * (number % 10),
                    memory_mb=10_500,
                    memory_total_mb=81_559,
                    power_w=600.0 + number % 50,
                    temperature_c=61.0,
                )
                samples = [sample] if number % 4 == 0 else []
                await store.publish(
                    Present(live=[live], curves={running: curve[-128:]}, samples=samples)
                )
                await anyio.sleep(REPORT_SECONDS)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(report)

            def watch() -> Cost:
                with _Viewer(study, awaited, *options) as viewer:
                    viewer.watch(SETTLE_SECONDS)
                    return viewer.watch(seconds)

            cost = await anyio.to_thread.run_sync(watch)
            tasks.cancel_scope.cancel()
    return cost


class _Viewer:
    """The real program on a terminal of its own, until the block ends."""

    def __init__(self, study: StudyFolder, awaited: bytes, *options: str) -> None:
        self._argv = [sys.executable, "-P", "-m", "arl_tui.cli", "attach", *options]
        self._argv += ["--study", str(study.path)]
        self._awaited = awaited
        self.attach_seconds = 0.0

    def __enter__(self) -> _Viewer:
        began = time.perf_counter()
        self._process, self._terminal = _start(self._argv)
        seen = b""
        for data in self._read(_LONGEST):
            seen += data
            if self._awaited in _ESCAPES.sub(b"", seen):
                self.attach_seconds = time.perf_counter() - began
                return self
        self.__exit__()
        raise RuntimeError(f"the screen never showed {self._awaited.decode()}")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def watch(self, seconds: float) -> Cost:
        """What the viewer costs in the next seconds."""
        process = psutil.Process(self._process.pid)
        before, began = process.cpu_times(), time.perf_counter()
        written = sum(len(data) for data in self._read(seconds))
        after, took = process.cpu_times(), time.perf_counter() - began
        used = after.user + after.system - before.user - before.system
        return Cost(used / took, written / took / 1024)

    def _read(self, seconds: float) -> Iterator[bytes]:
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                try:
                    yield os.read(self._terminal, 1 << 16)
                except OSError:  # the program has ended
                    return


def _start(argv: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    terminal, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color"}
    try:
        process = subprocess.Popen(
            argv, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True
        )
    finally:
        os.close(its)
    return process, terminal
