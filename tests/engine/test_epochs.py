"""After `run --rebaseline` the policy knows the new epoch alone, whatever happens on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import policy
from engine.executor import TrialRequest, TrialResult
from engine.researcher import Researcher, policy_seed
from state.folder import StudyFolder
from state.read import Reader
from state.records import Experiment
from state.store import Store

SCRIPT = Path(__file__).with_name("toy_study.py")
FIRST, BOTH = 16, 32  # experiments of the first epoch, and of both
SEED = 5  # of the toy study

pytestmark = pytest.mark.anyio


def engine(folder: Path, limit: int, budget: int, *more: str, fault: str = "") -> list[Any]:
    """Run the toy study in a process; its experiments, or nothing if it was killed."""
    argv = [sys.executable, "-P", str(SCRIPT), str(folder), str(limit), "1", "adaptive"]
    environment = dict(os.environ) | ({"ARL_FAULT": fault} if fault else {})
    done = subprocess.run(
        [*argv, str(budget), *more], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == (-signal.SIGKILL if fault else 0), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def first_epoch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first") / "study"
    engine(folder, FIRST, 5)
    return folder


@pytest.fixture
def folder(first_epoch: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_epoch, tmp_path / "study"))


@pytest.fixture(scope="module")
def uninterrupted(first_epoch: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = shutil.copytree(first_epoch, tmp_path_factory.mktemp("both") / "study")
    return engine(folder, BOTH, 7, "rebaseline")


async def replayed(store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
    """The policy's state as restored, and that of one that saw nothing but the epoch's log."""
    epoch = (await store.epochs())[-1].id
    experiments = await store.experiments()
    best = next(i for i in await store.incumbents() if i.epoch_id == epoch)
    source = await store.source(experiments[best.experiment_id].source_sha)
    chosen = policy.make("adaptive", source, policy_seed(SEED, epoch))
    asked: dict[int, policy.Proposal] = {}
    for entry in await store.policy_log():
        experiment = experiments[entry.experiment_id]
        if experiment.epoch_id != epoch:
            continue
        if entry.operation == "ask":
            asked[experiment.id] = chosen.ask()
            continue
        outcome = policy.Outcome(
            status=experiment.status,  # type: ignore[arg-type]  # what was told has ended
            val_bpb=experiment.val_bpb,
            seconds=experiment.seconds,
            peak_memory_mb=experiment.peak_memory_mb,
        )
        if experiment.id in asked:
            chosen.tell(asked[experiment.id], outcome)
        else:
            chosen.observe(await store.source(experiment.source_sha), outcome)
    restored = await Researcher.restore(store, "adaptive", SEED, {})
    return restored.state_dict(), chosen.state_dict()


def candidates(folder: Path, epoch: int) -> list[Experiment]:
    with Reader(StudyFolder(folder)) as reader:
        return [e for e in reader.history(kind="candidate") if e.epoch_id == epoch]


async def test_the_policy_is_told_the_new_epoch_alone(folder: Path) -> None:
    engine(folder, BOTH, 7, "rebaseline")
    async with Store.open(StudyFolder(folder)) as store:
        restored, alone = await replayed(store)
    assert restored == alone
    numbers = [e.proposal_number for e in candidates(folder, 1) + candidates(folder, 2)]
    assert numbers == list(range(len(numbers)))


async def test_an_earlier_keep_that_is_the_new_incumbent_is_what_is_edited(folder: Path) -> None:
    kept = [e for e in candidates(folder, 1) if e.status == "keep"]
    engine(folder, BOTH, 7, "rebaseline")
    assert candidates(folder, 2)[0].parent_id == kept[-1].id
    assert candidates(folder, 2)[0].parent_sha == kept[-1].source_sha
    # The seed of the policy is another: it does not draw the first epoch's edits once more.
    assert candidates(folder, 2)[0].summary != candidates(folder, 1)[0].summary


async def test_a_baseline_that_is_the_new_incumbent_is_what_is_edited(
    folder: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = toy.trial

    def reversed_(request: TrialRequest) -> TrialResult:
        result: TrialResult = original(request)
        return replace(result, val_bpb=None if result.val_bpb is None else 4.0 - result.val_bpb)

    monkeypatch.setattr(toy, "trial", reversed_)
    await toy.run(StudyFolder(folder), BOTH, 1, "adaptive", 7, True)
    with Reader(StudyFolder(folder)) as reader:
        baseline = next(e for e in reader.history(kind="baseline") if e.epoch_id == 2)
    assert candidates(folder, 2)[0].parent_sha == baseline.source_sha


FAULTS = (
    "before-start:1",
    "recorded:1",
    "recorded:6",
    "asked:1",
    "enqueued:1",
    "recorded:7",
    "told:1",
    "state-written:1",
    "state-saved:2",
)


@pytest.fixture(scope="module")
def killed_at(
    first_epoch: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, list[Any]]]:
    """For each fault a study that was killed there and continued, and what it came to.

    Two at a time: each is a process on one core.
    """
    scratch = tmp_path_factory.mktemp("killed")

    def kill(fault: str) -> tuple[Path, list[Any]]:
        folder = Path(shutil.copytree(first_epoch, scratch / fault.replace(":", "-")))
        engine(folder, BOTH, 7, "rebaseline", fault=fault)
        return folder, engine(folder, BOTH, 7)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(FAULTS, pool.map(kill, FAULTS), strict=True))


@pytest.mark.parametrize("fault", FAULTS)
async def test_killed_in_the_new_epoch_it_goes_on_exactly(
    fault: str, killed_at: dict[str, tuple[Path, list[Any]]], uninterrupted: list[Any]
) -> None:
    folder, rows = killed_at[fault]
    assert rows == uninterrupted
    async with Store.open(StudyFolder(folder)) as store:
        restored, alone = await replayed(store)
    assert restored == alone


async def test_what_waited_for_its_verdict_is_rejected_and_no_longer_told(folder: Path) -> None:
    engine(folder, BOTH, 5, fault="enqueued:3")
    async with Store.open(StudyFolder(folder)) as store:
        waiting = [e for e in await store.experiments() if not e.ended]
    assert waiting
    engine(folder, BOTH + 8, 7, "rebaseline")
    async with Store.open(StudyFolder(folder)) as store:
        assert (await store.experiment(waiting[0].id)).status == "invalid"
        restored, alone = await replayed(store)
    assert restored == alone
