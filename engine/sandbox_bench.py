"""What the sandbox costs: the time to start and end a process in it, beside one without."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

from engine.orders import SCRATCH_BYTES
from env import sandbox
from env.sandbox import Sandbox

_LONGEST = 60.0
PROCESSES = 3  # of an experiment: its trial, and two model processes for its score


@dataclass(frozen=True)
class Start:
    """Milliseconds from start to end of a process that does nothing, in one kind of sandbox."""

    layers: str
    median: float
    p90: float
    more: float  # than without a sandbox: the median of the differences within a round


def measure(rounds: int, done: Callable[[int], None] = lambda number: None) -> list[Start]:
    """Start a process in each kind of sandbox that works here, `rounds` times in turns.

    `done` hears of each round. Turns, because a shared machine is never equally busy for long.
    """
    found = sandbox.detect("auto")
    locks = Sandbox(None, found.landlock, found.seccomp)
    kinds = {"none": Sandbox()}
    if locks != Sandbox():
        kinds[" + ".join(n for n in ("Landlock", "seccomp") if n in locks.layers)] = locks
    if found.bwrap is not None:
        kinds["bubblewrap"] = Sandbox(found.bwrap)
        kinds["all"] = found
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds):
        for name, kind in kinds.items():
            taken[name].append(_start(kind))
        done(number + 1)
    plain = taken["none"]
    return [
        Start(
            layers=name,
            median=median(times),
            p90=quantiles(times, n=10)[8] if len(times) > 1 else times[0],
            more=median(a - b for a, b in zip(times, plain, strict=True)),
        )
        for name, times in taken.items()
    ]


def _start(kind: Sandbox) -> float:
    # A module that does nothing; all that it needs is imported in any trial.
    command = kind.wrap([*sandbox.MODULE, "env.failure"], "cpu", SCRATCH_BYTES)
    began = time.perf_counter()
    with subprocess.Popen(command, cwd="/", env=sandbox.environment("cpu", 1)) as process:
        # Its own waiting with a time limit looks only every 50 ms.
        descriptor = os.pidfd_open(process.pid)
        ended = select.select([descriptor], [], [], _LONGEST)[0]
        taken = 1000 * (time.perf_counter() - began)
        os.close(descriptor)
        if not ended:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"a process of {kind.layers[0]} ended with {process.returncode}")
    return taken
