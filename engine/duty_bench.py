"""How much of its time a slot trains: the engine, and beside it a loop that knows no better.

Both train the same candidates of the shipped script under the same budget, one after the other. A
window runs from the end of the first training to the end of the last one: whole cycles, each of a
pause and a training. A training lasts from its first report, after its first step, to its deadline.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from engine.events import EngineEvent
from engine.settings import Settings, validate
from engine.study import run_study
from state.folder import StudyFolder
from state.read import Reader

LEAST = 4  # experiments: the baseline, its two replicates, and one that was proposed
_PATIENCE = (120.0, 20.0)  # seconds, and times its budget, after which a script is given up


class DutyStopped(Exception):
    """A signal ended the bench."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@dataclass(frozen=True)
class Duty:
    """A loop's cycles: their number, and what they spent wall seconds on."""

    name: str
    cycles: int
    seconds: float  # of the window
    trained: float  # of them
    parts: Mapping[str, float]  # the mean seconds of an experiment, by part

    @property
    def duty(self) -> float:
        """The share of the window in which the slot trained."""
        return self.trained / self.seconds

    @property
    def per_hour(self) -> float:
        """Experiments an hour."""
        return 3600 * self.cycles / self.seconds


@dataclass
class _Trainings:
    """When each experiment trained, in monotonic seconds, in the order of their starts."""

    starts: dict[int, float] = field(default_factory=dict)
    ends: dict[int, float] = field(default_factory=dict)

    def start(self, number: int) -> None:
        self.starts.setdefault(number, time.monotonic())

    def end(self, number: int) -> None:
        if number in self.starts:
            self.ends.setdefault(number, time.monotonic())

    def duty(self, name: str, parts: Sequence[Mapping[str, float]]) -> Duty:
        """The cycles after the first training; `parts` of each experiment."""
        ends = sorted(self.ends.values())
        cycles = sorted(self.ends, key=self.ends.__getitem__)[1:]
        names = dict.fromkeys(part for one in parts[1:] for part in one)
        return Duty(
            name,
            len(cycles),
            ends[-1] - ends[0],
            sum(self.ends[number] - self.starts[number] for number in cycles),
            {part: _mean([one.get(part, 0.0) for one in parts[1:]]) for part in names},
        )


def measure(experiments: int, seconds: float, done: Callable[[str], None]) -> tuple[Duty, Duty]:
    """The engine's duty, and the plain loop's; `done` hears of each experiment.

    `experiments` is at least `LEAST`, `seconds` the budget of each in CPU seconds. Raises
    DutyStopped, and what `run_study` raises.
    """
    with tempfile.TemporaryDirectory(prefix="arl-duty-") as folder:
        study = StudyFolder(Path(folder) / "study")
        engine = anyio.run(_engine, study, _settings(experiments, seconds), done)
        with Reader(study) as reader:
            sources = [reader.source(one.source_sha) for one in reader.history()]
        return engine, _plain(sources, seconds, Path(folder), done)


def _settings(experiments: int, seconds: float) -> Settings:
    return validate(
        {
            "budget": {"seconds": seconds, "clock": "cpu"},
            "slots": {"devices": "cpu"},
            "limits": {"max_experiments": experiments, "min_disk_gb": 0},
        }
    )


async def _engine(study: StudyFolder, settings: Settings, done: Callable[[str], None]) -> Duty:
    trainings = _Trainings()

    def announce(event: EngineEvent) -> None:
        number = event.data.get("id", -1)
        if event.type == "report":
            trainings.start(number)
        elif event.type == "ended" or (event.type == "phase" and event.data["phase"] == "scoring"):
            trainings.end(number)
        if event.type == "ended":
            done(f"engine: {event.sentence}")

    _, received = await run_study(study, settings, announce)
    if received:
        raise DutyStopped(received)
    with Reader(study) as reader:
        timings = [dict(one.timing or {}) for one in reader.history()]
    return trainings.duty("engine", timings)


def _plain(
    sources: Sequence[str], seconds: float, folder: Path, done: Callable[[str], None]
) -> Duty:
    """Start `python train.py` afresh for each source; it trains and scores in line."""
    trainings = _Trainings()
    parts = []
    for number, source in enumerate(sources):
        script = folder / "train.py"
        script.write_text(source, encoding="utf-8")
        parts.append(_run_script(script, number, seconds, trainings))
        done(f"plain loop: #{number}")
    return trainings.duty("plain loop", parts)


def _run_script(
    script: Path, number: int, seconds: float, trainings: _Trainings
) -> dict[str, float]:
    argv = [sys.executable, "-P", str(script), "--budget", str(seconds), "--clock", "cpu"]
    began = time.monotonic()
    process = subprocess.Popen(
        [*argv, "--seed", str(number)],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        cwd=script.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    wait, budgets = _PATIENCE
    patience = threading.Timer(wait + budgets * seconds, process.kill)
    patience.start()
    said = b""
    with process:
        try:
            while block := os.read(process.stdout.fileno(), 1 << 16):
                said += block
                if b"loss" in said:
                    trainings.start(number)
                if b"trained" in said:
                    trainings.end(number)
        except BaseException:
            process.kill()
            raise
        finally:
            patience.cancel()
    ended = time.monotonic()
    trainings.end(number)
    started = trainings.starts.get(number, ended)
    trained = trainings.ends.get(number, ended)
    return {
        "start": started - began,
        "training": trained - started,
        "score": ended - trained,
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def as_dict(found: Duty) -> dict[str, Any]:
    """Plain values for JSON."""
    return {
        "name": found.name,
        "cycles": found.cycles,
        "seconds": found.seconds,
        "trained": found.trained,
        "duty": found.duty,
        "per_hour": found.per_hour,
        "parts": dict(found.parts),
    }
