"""Sentinels: when the incumbent is run again, and an engine that watches it through a drift."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.keepers import Draws, KeepRule, record
from engine.runs import Runs
from engine.sentinels import rerun_due
from engine.settings import Acceptance
from state.folder import StudyFolder
from state.read import Reader
from state.records import Experiment, Status

SCRIPT = Path(__file__).with_name("toy_study.py")
LIMIT, ONSET = 30, 12
RULE = Acceptance()
STEADY = [2.0, 2.01, 1.99, 2.006, 1.994]


def study(candidates: int, sentinels: int = 0) -> list[Experiment]:
    runs = [record(n, "baseline", "keep", "base", score) for n, score in enumerate(STEADY)]
    for _ in range(sentinels):
        runs.append(record(len(runs), "sentinel", "keep", "base", 2.0))
    for _ in range(candidates):
        runs.append(record(len(runs), "candidate", "discard", f"c{len(runs)}", 2.1))
    return runs


def due(experiments: list[Experiment], rule: Acceptance = RULE) -> str | None:
    return rerun_due(Runs(experiments, 1, rule.drift), "base", rule)


def test_one_for_every_twenty_candidates_that_ended() -> None:
    assert due(study(19)) is None
    assert due(study(20)) == "sentinel"
    assert due(study(20), Acceptance(sentinel_every=21)) is None
    assert due(study(19, sentinels=1)) is None
    assert due(study(20, sentinels=1)) == "sentinel"
    assert due(study(1000), Acceptance(sentinel_every=0)) is None


def test_a_setting_that_is_turned_on_late_asks_for_one_at_a_time() -> None:
    late = study(500)
    late.append(record(len(late), "sentinel", "keep", "base", 2.0))
    assert due(late) is None


def test_what_has_not_ended_or_waits_is_not_counted() -> None:
    running = study(20)
    running[-1] = replace(running[-1], status="running", val_bpb=None)
    assert due(running) is None


@pytest.mark.parametrize("status", ["queued", "running", "interrupted"])
def test_never_several_at_once(status: Status) -> None:
    waiting = study(45)
    waiting.append(record(len(waiting), "replicate", status, "base", None))
    assert due(waiting) is None


def test_a_run_that_differs_is_repeated_at_once_and_a_failing_one_is_not() -> None:
    odd = [*study(3), record(8, "sentinel", "keep", "base", 1.9)]
    assert due(odd) == "replicate"
    assert due(odd, Acceptance(drift=0)) is None
    failing = [record(number, "replicate", "crash", "base", None) for number in (9, 10)]
    assert due(odd + failing) is None
    assert due([*odd, *(record(n, "replicate", "keep", "base", 2.0) for n in range(9, 16))]) is None


def test_it_counts_among_the_incumbents_runs() -> None:
    assert Runs(study(3, sentinels=2), 1).fresh("base") == [*STEADY, 2.0, 2.0]


def test_at_most_five_per_hundred_candidates() -> None:
    keeper = KeepRule(Draws("gaussian", 8), RULE)
    for _ in range(400):
        keeper.offer(0.0)
    assert 17 <= keeper.sentinels <= 20


def engine(folder: Path, limit: int = LIMIT, slots: int = 1, fault: str = "") -> tuple[Any, str]:
    """Run the drifting toy study in a process: its experiments, and what it said."""
    argv = [sys.executable, "-P", str(SCRIPT), str(folder), str(limit), str(slots)]
    environment = dict(os.environ) | {"TOY_DRIFT": str(ONSET)}
    environment |= {"ARL_FAULT": fault} if fault else {}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == (-signal.SIGKILL if fault else 0), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, str]:
    folder = tmp_path_factory.mktemp("whole") / "study"
    return folder, *engine(folder)


def test_the_engine_finds_a_drift_says_so_and_measures_the_incumbent_anew(
    whole: tuple[Path, Any, str],
) -> None:
    folder, _, said = whole
    assert said.count("drift: Scores moved by -0.3") == 1
    with Reader(StudyFolder(folder)) as reader:
        (event,) = reader.events(type_="drift")
        history = reader.history()
        now = reader.status()
    first = event.data["first_id"]
    assert event.data["last_id"] < ONSET <= first
    assert history[first].kind == "sentinel"
    later = [e.val_bpb for e in history[first:] if e.kind in ("sentinel", "replicate")]
    assert now.best == pytest.approx(sum(s for s in later if s is not None) / len(later))
    assert {e.kind for e in history} >= {"sentinel", "replicate"}
    assert not [e for e in history if e.kind == "candidate" and e.status == "keep"]


@pytest.mark.soak
@pytest.mark.parametrize("fault", ["watched:1", "watched:3", "recorded:18", "drifted:1"])
def test_killed_on_the_way_it_goes_on_exactly(
    fault: str, tmp_path: Path, whole: tuple[Path, Any, str]
) -> None:
    folder = tmp_path / "study"
    engine(folder, fault=fault)
    assert engine(folder)[0] == whole[1]
    with Reader(StudyFolder(folder)) as reader:
        assert len(reader.events(type_="drift")) == 1


def test_the_limit_holds_and_an_extended_study_decides_alike(
    tmp_path: Path, whole: tuple[Path, Any, str]
) -> None:
    folder = tmp_path / "study"
    for limit in (6, 7, 15):
        assert len(engine(folder, limit)[0]) == limit
    assert engine(folder)[0] == whole[1]


def test_with_several_slots_one_sentinel_runs_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    engine(folder, 40, slots=3)
    with Reader(StudyFolder(folder)) as reader:
        runs = [e for e in reader.history() if e.kind in ("sentinel", "replicate") and e.id > 2]
        assert len(reader.events(type_="drift")) == 1
    assert len(runs) > 3
    for one, other in pairwise(runs):
        assert one.ended_at is not None
        assert one.ended_at <= other.created_at
