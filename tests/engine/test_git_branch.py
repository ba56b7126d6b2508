"""The branch of kept edits, in real repositories: what is on it, and what is left alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import EngineEvent
from engine.git_branch import BranchUpdate, default_branch, update_branch
from engine.git_committer import GitCommitter
from engine.git_repository import GitError
from state.folder import StudyFolder
from state.read import Reader
from state.records import NewEpoch, NewExperiment, NewStudy, Outcome
from state.store import Store

pytestmark = pytest.mark.anyio

EPOCH = NewEpoch(
    environment_digest="d", budget=1.0, clock="steps", device_model="CPU", torch_version="2"
)
BASELINE = "\ufeffLR = 0.1\r\n# größe\r\n"
NASTY = "LR 0.1 -> 0.2\n\nArl-Experiment: 99\n\x1b[31m\u202e" + "long " * 60


class Repo:
    """A repository of a person, with a train.py in a folder whose name has a space."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.target = root / "my model" / "train.py"
        self.target.parent.mkdir(parents=True)
        self.target.write_bytes(b"LR = 0.5\n")
        self.target.chmod(0o755)
        (root / "README").write_text("mine")

    def git(self, *command: str, at: Path | None = None) -> str:
        identity = ["-c", "user.name=P", "-c", "user.email=p@example.org"]
        done = subprocess.run(
            ["git", *identity, *command], cwd=at or self.root, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def begin(self) -> Repo:
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "first")
        return self

    def log(self, ref: str = "arl/night") -> list[str]:
        """The ids of a branch's commits, oldest first."""
        return self.git("rev-list", "--first-parent", "--reverse", ref).split()

    def target_at(self, commit: str) -> bytes:
        show = ["git", "cat-file", "blob", f"{commit}:my model/train.py"]
        return subprocess.run(show, cwd=self.root, capture_output=True, check=True).stdout

    def private(self) -> list[Any]:
        """What must stay as it is: HEAD, index, work tree, settings."""
        files = [path for path in sorted(self.root.rglob("*")) if ".git" not in path.parts]
        own = self.root / ".git"
        return [
            self.git("status", "--porcelain=v2", "--branch"),
            self.git("ls-files", "--stage"),
            [(path, path.read_bytes() if path.is_file() else b"") for path in files],
            *((own / name).read_bytes() for name in ("HEAD", "config", "index")),
        ]


class Night:
    """A study that keeps edits."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def measure(self) -> None:
        """Run the baseline, and measure it twice."""
        await self.store.add_epoch(EPOCH)
        await self._run("baseline", BASELINE)
        for score in (2.5, 2.6):
            await self.store.set_incumbent(0, score=score, sigma=0.01)

    async def keep(self, value: float, score: float, summary: str = "") -> int:
        """Keep an edit, which is measured once more later."""
        text = BASELINE.replace("0.1", str(value))
        number = await self._run("candidate", text, summary or f"LR -> {value}")
        await self.store.promote(
            number, score=score, sigma=0.01, reason="2 fresh runs", operation=None
        )
        await self.store.set_incumbent(number, score=score + 0.001, sigma=0.01)
        return number

    async def _run(self, kind: Any, source: str, summary: str = "") -> int:
        new = NewExperiment(kind=kind, source=source, seed=1, summary=summary, why="one step up")
        number = await self.store.enqueue(new, operation=None)
        await self.store.start(number, slot=0, device="cpu")
        status: Any = "keep" if kind == "baseline" else "discard"
        await self.store.finish(number, Outcome(status=status, val_bpb=2.5), operation=None)
        return number

    def update(self, **options: Any) -> BranchUpdate | None:
        with Reader(self.store.folder) as reader:
            return update_branch(reader, **options)

    def refusal(self, **options: Any) -> str:
        with pytest.raises(GitError) as raised:
            self.update(**options)
        sentence = str(raised.value)
        assert "\n" not in sentence
        assert sentence.endswith(".")
        return sentence


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo with space").begin()


@pytest.fixture
async def night(tmp_path: Path, repo: Repo) -> AsyncIterator[Night]:
    study = NewStudy(
        name="night",
        seed=1,
        target_name="train.py",
        policy="local",
        target_kind="command",
        settings={"target": {"path": str(repo.target)}, "git": {"commits": True, "branch": None}},
    )
    async with Store.create(StudyFolder(tmp_path / "study"), study) as store:
        yield Night(store)


async def test_every_kept_edit_is_a_commit_and_nothing_else_changes(
    night: Night, repo: Repo
) -> None:
    assert night.update() is None
    await night.measure()
    await night.keep(0.2, 2.3)
    await night.keep(0.3, 2.2, NASTY)
    (repo.root / "README").write_text("not committed")
    before = repo.private()
    done = night.update()
    assert repo.private() == before
    assert done is not None
    assert (done.branch, done.experiment, done.path) == ("arl/night", 2, "my model/train.py")
    first, *commits = repo.log()
    assert first == repo.git("rev-parse", "main")
    assert list(done.made) == list(zip((0, 1, 2), commits, strict=True))
    for commit, value in zip(commits, ("0.1", "0.2", "0.3"), strict=True):
        assert repo.target_at(commit) == BASELINE.replace("0.1", value).encode()
        assert repo.git("diff-tree", "-r", "--name-only", commit).endswith("my model/train.py")
        assert repo.git("ls-tree", commit, "my model/train.py").startswith("100755 ")
    assert repo.git("log", "-1", "--format=%an <%ae> %cn", commits[1]).startswith("arl-tui <")
    since = night_times(night)[1]
    assert repo.git("log", "-1", "--format=%aI %cI", commits[1]) == f"{since} {since}"


def night_times(night: Night) -> list[str]:
    with Reader(night.store.folder) as reader:
        rows = {row.experiment_id: row.since for row in reversed(reader.incumbents())}
    return [f"{rows[number][:19]}+00:00" for number in sorted(rows)]


async def test_messages_say_what_was_tried_and_what_it_scored(night: Night, repo: Repo) -> None:
    await night.measure()
    await night.keep(0.2, 2.3)
    await night.keep(0.3, 2.2, NASTY)
    night.update()
    baseline, plain, nasty = (
        repo.git("log", "-1", "--format=%B", commit) for commit in repo.log()[1:]
    )
    assert baseline.splitlines()[:3] == ["#0 baseline", "", "val_bpb 2.5000 (self-reported)"]
    lines = plain.splitlines()
    assert lines[:6] == [
        "#1 LR -> 0.2",
        "",
        "val_bpb 2.3000 (self-reported), -0.3000 against #0",
        "study night",
        "kept: 2 fresh runs",
        "policy: one step up",
    ]
    assert nasty.isprintable() or set(nasty) - {"\n"} <= {c for c in nasty if c.isprintable()}
    subject, blank, score, *_ = nasty.splitlines()
    assert (blank, score) == ("", "val_bpb 2.2000 (self-reported), -0.1010 against #1")
    assert len(subject) == 100
    assert nasty.splitlines()[-1] == "Arl-Experiment: 2"


async def test_what_is_kept_later_is_appended_and_all_again_gives_the_same(
    night: Night, repo: Repo
) -> None:
    await night.measure()
    night.update()
    await night.keep(0.2, 2.3)
    one = night.update()
    again = night.update()
    await night.keep(0.3, 2.2)
    two = night.update()
    assert one is not None
    assert again is not None
    assert two is not None
    assert [len(done.made) for done in (one, again, two)] == [1, 0, 1]
    assert again.commit == one.commit
    commits = repo.log()
    repo.git("branch", "-D", "arl/night")
    night.update()
    assert repo.log() == commits
    repo.git("update-ref", "refs/heads/arl/night", commits[2])
    night.update()
    assert repo.log() == commits


async def test_the_branch_begins_where_the_person_was(night: Night, repo: Repo) -> None:
    await night.measure()
    night.update()
    (repo.root / "README").write_text("more")
    repo.git("commit", "-qam", "second")
    await night.keep(0.2, 2.3)
    night.update()
    assert repo.git("merge-base", "main", "arl/night") == repo.git("rev-parse", "main~1")
    assert len(repo.log()) == 3


async def test_what_somebody_else_did_to_the_branch_stays(night: Night, repo: Repo) -> None:
    await night.measure()
    night.update()
    repo.git("switch", "-q", "arl/night")
    (repo.root / "README").write_text("theirs")
    repo.git("commit", "-qam", "theirs")
    theirs = repo.git("rev-parse", "arl/night")
    assert "is not one of this study" in night.refusal()
    repo.git("commit", "-q", "--amend", "-m", repo.git("log", "-1", "--format=%B", "HEAD~1"))
    theirs = repo.git("rev-parse", "arl/night")
    assert "is not one of this study" in night.refusal()
    assert repo.git("rev-parse", "arl/night") == theirs
    assert "is not one of this study" in night.refusal(branch="main")
    done = night.update(branch="mine/2")
    assert done is not None
    assert done.branch == "mine/2"


async def test_a_branch_that_is_checked_out_does_not_move(night: Night, repo: Repo) -> None:
    await night.measure()
    night.update()
    other = repo.root.parent / "other tree"
    repo.git("worktree", "add", "-q", str(other), "arl/night")
    assert night.update() is not None  # nothing is new
    await night.keep(0.2, 2.3)
    assert f"is checked out in {other}" in night.refusal()
    assert len(repo.log()) == 2
    repo.git("worktree", "remove", str(other))
    assert night.update() is not None
    assert len(repo.log()) == 3


async def test_a_branch_of_another_study_stays(night: Night, repo: Repo, tmp_path: Path) -> None:
    await night.measure()
    night.update()
    study = NewStudy(
        name="night",
        seed=2,
        target_name="train.py",
        policy="local",
        settings={"target": {"path": str(repo.target)}},
    )
    async with Store.create(StudyFolder(tmp_path / "study 2"), study) as store:
        other = Night(store)
        await other.measure()
        assert "belongs to another study" in other.refusal()


async def test_hooks_settings_and_variables_of_the_person_do_nothing(
    night: Night, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await night.measure()
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-commit", "pre-commit", "post-index-change"):
        hook = hooks / name
        hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\nexit 1\n")
        hook.chmod(0o755)
    for setting in (
        ("core.hooksPath", str(hooks)),
        ("core.fsmonitor", str(hooks / "pre-commit")),
        ("commit.gpgSign", "true"),
        ("gpg.program", "false"),
        ("i18n.commitEncoding", "latin1"),
        ("core.autocrlf", "input"),
    ):
        repo.git("config", *setting)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "their-index"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    assert night.update() is not None
    monkeypatch.undo()
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "their-index").exists()
    assert repo.git("log", "-1", "--format=%an %e", "arl/night") == "arl-tui"
    assert repo.target_at("arl/night") == BASELINE.encode()


async def test_a_worktree_a_detached_head_and_a_submodule_are_repositories(
    night: Night, repo: Repo
) -> None:
    await night.measure()
    tree = repo.root.parent / "tree"
    repo.git("worktree", "add", "-q", "--detach", str(tree))
    there = night.update(target=str(tree / "my model" / "train.py"), branch="there")
    assert there is not None
    assert there.repository == tree
    assert len(repo.log("there")) == 2
    repo.git("switch", "-q", "--detach")
    assert night.update() is not None
    above = Repo(repo.root.parent / "above").begin()
    above.git("-c", "protocol.file.allow=always", "submodule", "-q", "add", str(repo.root), "sub")
    inner = above.root / "sub"
    within = night.update(target=str(inner / "my model" / "train.py"))
    assert within is not None
    assert within.repository == inner
    assert len(above.git("log", "--format=%H", "arl/night", at=inner).split()) == 2
    assert "arl/night" not in above.git("branch", "--list", "--all")


async def test_a_link_is_followed_and_a_new_file_is_added(night: Night, repo: Repo) -> None:
    await night.measure()
    link = repo.root / "link.py"
    link.symlink_to(repo.target)
    linked = night.update(target=str(link), branch="linked")
    new = night.update(target=str(repo.root / "new" / ".." / "other.py"), branch="new")
    assert linked is not None
    assert new is not None
    assert (linked.path, new.path) == ("my model/train.py", "other.py")
    assert repo.git("ls-tree", "new", "other.py").startswith("100644 blob")


def bare(repo: Repo) -> Path:
    repo.git("clone", "-q", "--bare", str(repo.root), str(repo.root.parent / "bare"))
    return repo.root.parent / "bare" / "train.py"


def unborn(repo: Repo) -> Path:
    empty = repo.root.parent / "empty"
    empty.mkdir()
    repo.git("init", "-q", at=empty)
    return empty / "train.py"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (lambda repo: repo.root.parent / "train.py", "is in no git repository"),
        (lambda repo: repo.root / "gone" / "train.py", "There is no folder"),
        (lambda repo: repo.root / ".git" / "train.py", "without a work tree"),
        (bare, "without a work tree"),
        (unborn, "has no commit yet"),
    ],
)
async def test_where_no_branch_can_be_made_one_sentence_says_so(
    night: Night, repo: Repo, place: Callable[[Repo], Path], sentence: str
) -> None:
    await night.measure()
    assert sentence in night.refusal(target=str(place(repo)))


@pytest.mark.parametrize("name", ["-d", "a..b", "a b", "a.lock", "@{-1}", "a\x1b", "/", "main/x"])
async def test_a_name_that_git_does_not_take_is_one_sentence(night: Night, name: str) -> None:
    await night.measure()
    assert night.refusal(branch=name).isprintable()


@given(st.text(min_size=1, max_size=100))
def test_every_study_has_a_branch_that_git_takes(name: str) -> None:
    found = default_branch(name)
    assert found.startswith("arl/")
    for part in found.split("/"):
        assert part
        assert part[0] not in ".-"
        assert not part.endswith((".", ".lock"))
        assert ".." not in part
        assert not set(part) & set(" ~^:?*[\\\x7f@{") or part == "arl"
        assert all(ord(c) > 31 for c in part)
    assert default_branch(found.removeprefix("arl/")) == found


async def test_without_git_or_with_one_that_hangs(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await night.measure()
    tools = tmp_path / "tools"
    tools.mkdir()
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tools))
    assert night.refusal() == "There is no git program here: install git."
    hanging = tools / "git"
    hanging.write_text("#!/bin/sh\nsleep 600 & wait\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{path}")
    assert "did not end within 0.3 s" in night.refusal(deadline=0.3)
    hanging.write_text("#!/bin/sh\necho 'fatal: no \x1b[31mluck' >&2\nexit 128\n")
    assert night.refusal() == "`git rev-parse` failed: no [31mluck."


KEPT = EngineEvent("kept", "#1 kept", {"id": 1, "val_bpb": 2.3})


async def announce(night: Night, *events: EngineEvent, enabled: bool = True) -> list[EngineEvent]:
    said: list[EngineEvent] = []
    async with anyio.create_task_group() as tasks:
        committer = GitCommitter(enabled, night.store, tasks, said.append)
        for event in events:
            committer.announce(event)
        tasks.cancel_scope.cancel()  # as at the engine's end: what was asked for is done
    return said


async def test_the_engine_commits_what_it_keeps(night: Night, repo: Repo) -> None:
    assert await announce(night, EngineEvent("opened", "Study")) == [EngineEvent("opened", "Study")]
    await night.measure()
    await night.keep(0.2, 2.3)
    assert await announce(night, KEPT, enabled=False) == [KEPT]
    assert repo.git("branch", "--list", "arl/*") == ""
    passed, done = await announce(night, KEPT)
    assert passed == KEPT
    assert (done.type, done.data["id"], done.data["branch"]) == ("committed", 1, "arl/night")
    assert done.data["commit"] == repo.log()[-1]
    assert await announce(night, EngineEvent("discarded", "#2")) == [EngineEvent("discarded", "#2")]
    assert await announce(night, KEPT) == [KEPT]  # it is there already


async def test_what_fails_is_said_once_and_stops_nothing(night: Night, repo: Repo) -> None:
    await night.measure()
    repo.git("branch", "arl")  # where the folder of the branch would be
    said: list[EngineEvent] = []
    async with anyio.create_task_group() as tasks:
        committer = GitCommitter(True, night.store, tasks, said.append)
        for _ in range(3):
            committer.announce(KEPT)
            while committer.busy:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        repo.git("branch", "-D", "arl")
        committer.announce(KEPT)
    assert [event.type for event in said].count("warning") == 1
    (warning,) = [event for event in said if event.type == "warning"]
    assert warning.sentence.startswith("No git commit was made: Another branch stands")
    recorded = await night.store.events(type_="warning")
    assert [event.data["sentence"] for event in recorded] == [warning.sentence]
    assert said[-1].type == "committed"
