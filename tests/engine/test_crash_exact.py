"""A killed engine loses nothing, does nothing twice, and goes on as if it had never been killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.faults import POINTS
from state.folder import StudyFolder
from state.read import Reader
from state.watch import Watcher

SCRIPT = Path(__file__).with_name("toy_study.py")
LIMIT = 16
# These belong to trials in processes of their own: see test_crash_real.py.
OF_TRIALS = {"spawned", "training", "reported", "trained", "scoring"}

OF_DRIFTS = {"watched", "drifted"}  # see test_sentinels.py
OF_REVIEWS = {"review-requested", "amended", "vetoed"}
ELSEWHERE = OF_TRIALS | OF_DRIFTS | OF_REVIEWS


def start(
    folder: Path, fault: str = "", slots: int = 1, policy: str = "local", limit: int = LIMIT
) -> subprocess.Popen[str]:
    argv = [sys.executable, "-P", str(SCRIPT), str(folder), str(limit), str(slots), policy]
    environment = dict(os.environ) | ({"ARL_FAULT": fault} if fault else {})
    return subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(
    folder: Path, slots: int = 1, policy: str = "local", limit: int = LIMIT
) -> list[list[object]]:
    process = start(folder, slots=slots, policy=policy, limit=limit)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[list[object]]:
    return finish(tmp_path_factory.mktemp("whole") / "study")


HERE = [point for point in POINTS if point not in ELSEWHERE]


@pytest.fixture(scope="module")
def killed_at(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, object]]:
    """For each fault point: how the engine ended there, and what the next one came to.

    Two at a time: each is a process on one core.
    """
    scratch = tmp_path_factory.mktemp("killed")

    def kill(point: str) -> tuple[int, object]:
        count = 1 if point in ("epoch-begun", "finishing", "settled") else 2
        killed = start(scratch / point, f"{point}:{count}")
        killed.communicate(timeout=60)
        return killed.returncode, finish(scratch / point)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(HERE, pool.map(kill, HERE), strict=True))


@pytest.mark.parametrize("point", HERE)
def test_killed_at_a_fault_point_it_goes_on_exactly(
    point: str,
    killed_at: dict[str, tuple[int, object]],
    uninterrupted: list[list[object]],
) -> None:
    code, rows = killed_at[point]
    assert code == -signal.SIGKILL, f"the fault point {point} was never reached"
    assert rows == uninterrupted


@pytest.mark.soak
def test_killed_again_and_again_it_goes_on_exactly(
    tmp_path: Path, uninterrupted: list[list[object]]
) -> None:
    folder = tmp_path / "study"
    kill_at_random(folder, times=3, seed=1)
    assert finish(folder) == uninterrupted
    check_record(folder)


@pytest.mark.soak
def test_killed_fifty_times_at_random(tmp_path: Path, uninterrupted: list[list[object]]) -> None:
    kills = 0
    for round_ in range(100):
        folder = tmp_path / f"study{round_}"
        kills += kill_at_random(folder, times=4, seed=round_)
        assert finish(folder) == uninterrupted
        check_record(folder)
        if kills >= 50:
            return
    pytest.fail("the engine ended too soon to be killed")


@pytest.mark.soak
def test_a_policy_that_has_learnt_goes_on_exactly(tmp_path: Path) -> None:
    limit = 30  # enough outcomes for two updates of its weights
    whole = finish(tmp_path / "whole", policy="ppo", limit=limit)
    folder = tmp_path / "study"
    killed = start(folder, "told:17", policy="ppo", limit=limit)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert finish(folder, policy="ppo", limit=limit) == whole


@pytest.mark.soak
def test_killed_with_several_slots_it_equals_a_replay_of_its_record(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    for point in ("recorded:4", "asked:3", "told:6"):
        start(folder, point, slots=3).communicate(timeout=60)
    rows = finish(folder, slots=3)
    assert [row[0] for row in rows] == list(range(LIMIT))
    check_record(folder)


def test_killed_while_one_trial_is_scored_beside_another_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_CLOCK", "cpu")
    folder = tmp_path / "study"
    for point in ("scored:5", "told:4"):
        killed = start(folder, point)
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
    rows = finish(folder)
    assert [row[0] for row in rows] == list(range(LIMIT))
    check_record(folder)


def test_killed_amid_aborts_the_same_candidates_are_aborted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_ABORTS", "1")
    whole = finish(tmp_path / "whole" / "study", policy="random", limit=50)
    folder = tmp_path / "cut" / "study"
    for point in ("recorded:31", "scored:8"):
        killed = start(folder, point, policy="random", limit=50)
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
    assert finish(folder, policy="random", limit=50) == whole
    statuses = [row[6] for row in whole]
    assert statuses.count("abort") >= 2
    with Reader(StudyFolder(folder)) as reader:
        seen = [reader.evaluation(number) for number in range(50)]
    condemned = [one for one in seen if one is not None and one.condemned_at is not None]
    assert any(one.audited for one in condemned)
    assert sum(not one.audited for one in condemned) == statuses.count("abort")


@pytest.mark.parametrize("point", sorted(OF_REVIEWS))
def test_killed_amid_a_review_no_verdict_is_lost_or_given_twice(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_REVIEWED", "1")
    folder = tmp_path / "study"
    killed = start(folder, f"{point}:2")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, f"the fault point {point} was never reached"
    finish(folder)
    check_record(folder)
    with Watcher(StudyFolder(folder)) as watcher:
        reviews = {review.experiment_id: review for review in watcher.reviews(pending=False)}
        candidates = watcher.history(kind="candidate")
    assert len(candidates) > 3
    for e in candidates:
        assert e.proposal_number is not None
        review = reviews[e.id]
        assert review.decided_by == "person"
        assert (review.verdict == "veto") == (e.status == "veto") == (e.proposal_number % 3 == 0)
        assert (review.proposed_sha is not None) == (e.proposal_number % 3 == 1)


def kill_at_random(folder: Path, times: int, seed: int) -> int:
    """Kill engines after random times; returns how many did not end by themselves before."""
    rng = random.Random(seed)
    kills = 0
    for _ in range(times):
        process = start(folder)
        time.sleep(rng.uniform(0.6, 1.6))
        process.kill()
        process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
    return kills


def check_record(folder: Path) -> None:
    """Nothing is lost and nothing is there twice."""
    with Reader(StudyFolder(folder)) as reader:
        history = reader.history()
        assert [e.id for e in history] == list(range(len(history)))
        assert all(e.ended for e in history)
        assert len({e.proposal_number for e in history if e.kind == "candidate"}) == sum(
            e.kind == "candidate" for e in history
        )
        assert reader.status().state == "finished"
