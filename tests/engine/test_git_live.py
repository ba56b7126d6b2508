"""A whole study with `[git] commits`: its branch grows as it keeps, and is what its record says."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from engine.events import EngineEvent
from engine.git_branch import update_branch
from engine.git_committer import GitCommitter
from state.folder import StudyFolder
from state.kept import read_kept
from state.read import Reader
from state.records import NewStudy
from state.store import Store

pytestmark = pytest.mark.anyio


async def test_a_study_commits_what_it_keeps(toy: ModuleType, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    script = repo / "train.py"
    script.write_text(toy.TARGET)

    def git(*command: str) -> str:
        identity = ["-c", "user.name=P", "-c", "user.email=p@example.org"]
        done = subprocess.run(
            ["git", *identity, *command], cwd=repo, capture_output=True, check=True, text=True
        )
        return done.stdout

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "first")
    settings = toy.settings(25)
    target = settings.target.model_copy(update={"path": str(script)})
    settings = settings.model_copy(update={"target": target})
    study = NewStudy(
        name="toy",
        seed=5,
        target_name="train.py",
        policy="local",
        settings=settings.model_dump(mode="json"),
    )
    conditions = toy.Conditions(
        (toy.Slot(0, "cpu", 1, 1 << 30),),
        toy.Budget(5, toy.CLOCK),
        toy.ENVIRONMENT,
        toy.Sandbox(None),
    )
    said: list[EngineEvent] = []
    folder = StudyFolder(tmp_path / "study")
    async with Store.create(folder, study) as store, anyio.create_task_group() as tasks:
        committer = GitCommitter(True, store, tasks, said.append)
        executor = toy.InProcessExecutor(toy.trial)
        engine = await toy.prepare_engine(
            store, settings, conditions, executor, committer.announce, toy.TARGET, False
        )
        await engine.run()
        tasks.cancel_scope.cancel()
    with Reader(folder) as reader:
        kept = [link.experiment for link in read_kept(reader)]
        again = update_branch(reader)
        sources = [reader.source(experiment.source_sha) for experiment in kept]
    assert len(kept) > 2
    assert again is not None
    assert (again.made, again.experiment) == ((), kept[-1].id)
    commits = git("rev-list", "--reverse", "main..arl/toy").split()
    assert [git("cat-file", "blob", f"{commit}:train.py") for commit in commits] == sources
    committed = [event.data["commit"] for event in said if event.type == "committed"]
    assert committed[-1] == commits[-1]
    assert set(committed) <= set(commits)
    assert git("status", "--porcelain") == ""
