"""Whole studies that the oracle stops: that they say why, and go on when they are run again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit
from engine import study
from engine.conditions import Conditions
from engine.events import EngineEvent
from engine.executor import Budget, Slot, TrialRequest, TrialResult
from engine.in_process import InProcessExecutor
from engine.loop import Ending
from engine.settings import merge, validate
from env.sandbox import Sandbox
from state.folder import StudyFolder
from state.records import Experiment
from state.watch import Watcher

pytestmark = pytest.mark.anyio

SOON = {"experiments": 2, "delta": 0.2}  # converges after 8 tries without a gain


class Night:
    """Runs one study again and again, as `arl-tui run` does; a function stands for its trials."""

    def __init__(self, toy: ModuleType, path: Path) -> None:
        self.toy = toy
        self.folder = StudyFolder(path / "study")
        self.target = path / "train.py"
        self.target.write_text(toy.TARGET)
        self.trial: Callable[[TrialRequest], TrialResult] = self.flat
        self.told = path / "told"
        self.events: list[EngineEvent] = []

    def flat(self, request: TrialRequest) -> TrialResult:
        """No edit gains anything."""
        score = 2.0 + 0.2 * (request.source != self.toy.TARGET)
        score += 0.01 * self.toy.noise(request.source, request.seed)
        return TrialResult("scored", val_bpb=score, seconds=5.0, wall_seconds=5.0, steps=5)

    def crash(self, request: TrialRequest) -> TrialResult:
        """Every edit crashes, and always at another line."""
        if request.source == self.toy.TARGET:
            return self.flat(request)
        return TrialResult("crash", f"RuntimeError: CUDA error at step {request.experiment_id}")

    async def run(self, **limits: Any) -> Ending:
        tables = {
            "seed": 5,
            "target": {"path": str(self.target)},
            "policy": {"name": "local"},
            "limits": {"min_disk_gb": 0} | limits,
            "notify": {"command": f"cat >> {self.told}"},
        }
        ending, received = await study.run_study(
            self.folder, validate(merge(tables)), self.events.append
        )
        assert received == 0
        return ending

    def rows(self) -> list[Experiment]:
        with Watcher(self.folder) as watcher:
            return watcher.history()

    def readings(self) -> dict[str, Any]:
        watcher = Watcher(self.folder)
        with watcher:
            found = watcher.panels()["oracle"]["readings"]
        return {reading["name"]: reading for reading in found}

    def notes(self) -> list[Any]:
        return [json.loads(line) for line in self.told.read_text().splitlines()]


@pytest.fixture
def night(toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    found = Night(toy, tmp_path)
    slots = (Slot(0, "cpu", 1, 1 << 30),)
    conditions = Conditions(slots, Budget(5, "steps"), toy.ENVIRONMENT, Sandbox(None))

    async def establish(*_: Any) -> Conditions:
        return conditions

    def executor(*_: Any, **__: Any) -> InProcessExecutor:
        return InProcessExecutor(lambda request: found.trial(request))

    monkeypatch.setattr(study, "establish", establish)
    monkeypatch.setattr(study, "executor_for", executor)
    return found


async def test_a_study_that_has_converged_says_so_until_it_is_asked_for_more(night: Night) -> None:
    ending = await night.run(convergence=SOON)
    assert (ending.state, ending.criterion) == ("finished", "convergence")
    assert ending.reason.endswith("none of the last 8; `run --no-convergence` goes on")
    rows = night.rows()
    assert len([row for row in rows if row.kind == "candidate"]) == 8
    # The same again says the same, and runs nothing.
    assert await night.run(convergence=SOON) == ending
    assert night.rows() == rows
    # A longer look ahead, and none at all, are what they say.
    assert (await night.run(convergence=SOON | {"experiments": 3})).criterion == "convergence"
    assert len([row for row in night.rows() if row.kind == "candidate"]) == 12
    assert (await night.run(convergence=False, max_experiments=20)).criterion == "experiments"
    assert {note["event"] for note in night.notes()} == {"stop"}


async def test_a_gain_puts_convergence_off_and_is_told(night: Night) -> None:
    night.trial = night.toy.trial
    await night.run(convergence=SOON, max_experiments=25)
    kept = [row.id for row in night.rows() if row.kind == "candidate" and row.status == "keep"]
    assert kept
    best = [note for note in night.notes() if note["event"] == "best"]
    assert kept[-1] in {note["experiment"] for note in best}
    reading = night.readings()["convergence"]
    assert f"{len(kept)} of " in reading["sentence"]


async def test_a_gain_of_less_than_epsilon_is_none(night: Night) -> None:
    night.trial = night.toy.trial
    ending = await night.run(convergence=SOON | {"epsilon": 50.0}, max_experiments=60)
    assert ending.criterion == "convergence"
    assert "0 of 8 tries gained" in ending.reason


async def test_failures_end_no_study_as_converged(night: Night) -> None:
    night.trial = night.crash
    ending = await night.run(convergence=SOON, max_failures_alike=0, max_failures=12)
    assert ending.criterion == "failures"
    assert "0 of 0 tries gained" in night.readings()["convergence"]["sentence"]


async def test_what_keeps_failing_is_named_and_a_mended_study_goes_on(night: Night) -> None:
    night.trial = night.crash
    ending = await night.run()
    assert (ending.state, ending.criterion) == ("stopped", "failures")
    last = night.rows()[-1].id
    error = f"RuntimeError: CUDA error at step {last}"
    assert ending.reason == f"10 of 10 candidates in a row failed alike: crash ({error})"
    assert night.notes()[-1]["event"] == "failure"
    assert night.notes()[-1]["sentence"] == f"Stopped: {ending.reason}."
    # Not mended, it takes as many again; mended, it runs.
    assert (await night.run()).criterion == "failures"
    assert len(night.rows()) == last + 1 + 10
    night.trial = night.flat
    assert (await night.run(max_experiments=last + 15)).criterion == "experiments"


async def test_a_killed_engine_takes_its_failures_with_it_to_the_next(night: Night) -> None:
    night.trial = night.crash
    killed = RuntimeError("killed")

    def trial(request: TrialRequest) -> TrialResult:
        if request.experiment_id == 9:
            raise killed
        return night.crash(request)

    night.trial = trial
    with pytest.raises(ExceptionGroup):
        await night.run()
    night.trial = night.crash
    await night.run()
    assert len([row for row in night.rows() if row.status == "crash"]) == 10
    assert "killed" in night.notes()[0]["sentence"]
    assert night.notes()[0]["state"] == "failed"


async def test_an_incumbent_that_fails_twice_stops_the_study(night: Night) -> None:
    def trial(request: TrialRequest) -> TrialResult:
        if request.experiment_id == 0:
            return night.flat(request)
        return TrialResult("oom", "the system killed it for its memory")

    night.trial = trial
    ending = await night.run()
    assert (ending.state, ending.criterion) == ("stopped", "re-runs")
    assert ending.reason.startswith("2 of 2 runs of the incumbent in a row failed: oom (the system")
    assert len(night.rows()) == 3
    assert night.notes()[-1]["event"] == "failure"
    night.trial = night.flat
    assert (await night.run(max_experiments=8)).criterion == "experiments"


async def test_a_target_that_is_reached_ends_it_and_a_harder_one_goes_on(night: Night) -> None:
    assert (await night.run(target_bpb=2.1)).criterion == "target"
    assert len(night.rows()) == 3
    ending = await night.run(target_bpb=1.0, max_experiments=6)
    assert ending.criterion == "experiments"
    assert "1 is the target" in night.readings()["target"]["sentence"]


@pytest.mark.parametrize(
    ("limits", "criterion", "state"),
    [
        ({"max_hours": 1e-6}, "hours", "finished"),
        ({"max_device_hours": 1e-9}, "device hours", "finished"),
        ({"max_cost": 1e-6, "price_per_hour": 2}, "cost", "finished"),
        ({"min_disk_gb": 1e9}, "disk", "stopped"),
    ],
)
async def test_each_stop_can_be_followed_by_another_run(
    night: Night, limits: dict[str, Any], criterion: str, state: str
) -> None:
    ending = await night.run(**limits)
    assert (ending.criterion, ending.state) == (criterion, state)
    assert (await night.run(max_experiments=6)).criterion == "experiments"
    assert len(night.rows()) == 6


async def test_energy_that_cannot_be_measured_is_said_at_the_start(night: Night) -> None:
    await night.run(max_kwh=1e-9, max_experiments=4)
    warnings = [event.sentence for event in night.events if event.type == "warning"]
    assert warnings == ["No device tells its power here: limits.max_kwh will not end the study."]
    assert night.readings()["energy"]["used"] is None


async def test_lack_of_memory_interrupts_what_runs(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.facts.memory_free", lambda: 1 << 30)
    monkeypatch.setattr("engine.facts._MEMORY_SECONDS", 0.0)
    ending = await night.run(min_memory_gb=2)
    assert (ending.state, ending.criterion) == ("stopped", "memory")
    assert (await night.run(max_experiments=4)).criterion == "experiments"


async def test_the_command_is_not_kept_in_the_study(night: Night) -> None:
    await night.run(max_experiments=1)
    with Watcher(night.folder) as watcher:
        assert "notify" not in watcher.study().settings


async def test_a_candidate_that_waits_for_its_verdict_puts_the_end_off(night: Night) -> None:
    def trial(request: TrialRequest) -> TrialResult:
        result = night.flat(request)
        lucky = request.experiment_id == 10 and request.source != night.toy.TARGET
        return replace(result, val_bpb=1.5) if lucky else result

    night.trial = trial  # the eighth candidate looks like a gain, and is none
    ending = await night.run(convergence=SOON)
    assert ending.criterion == "convergence"
    rows = night.rows()
    assert rows[10].status == "discard"
    assert rows[10].reason != "fresh runs are to confirm it"
    assert [row.kind for row in rows if row.subject_id == 10] == ["confirmation"]


def test_the_command_line_says_what_fails_and_has_a_code_for_it(
    night: Night, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(night.target.parent)
    night.trial = night.crash
    options = ["--study", str(night.folder.path), "--target", "train.py", "--policy", "local"]
    assert run(["run", "--headless", *options]) == Exit.FAILURES
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Stopped: 10 of 10 candidates in a row failed alike: crash (Runtime")
    assert run(["status", "--study", str(night.folder.path)]) == Exit.OK
    assert "oracle said STOP failures: 10 of 10" in capsys.readouterr().out
