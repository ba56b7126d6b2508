"""The branch of a study's kept edits, `arl/<study>`: a function of the study's record.

It begins at the commit that was checked out when the branch was first made. On it come the
baseline and each kept edit, a commit each, in which the target is as it was tried and everything
else as at the beginning. Making it again gives the same commits, and later edits are appended.
The branch moves only if its last commit is one of these: what anybody else did to it stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.control import one_line
from engine.git_repository import AUTHOR, DEADLINE, Change, GitError, Repository
from state.kept import Kept, read_kept
from state.metric import SELF_REPORTED, Metric
from state.read import Reader
from state.records import Study
from target.source import encode

_HEADS = "refs/heads/"
_SUBJECT = 100  # characters of a message's first line
_STUDY, _EXPERIMENT = "Arl-Study", "Arl-Experiment"
_TRAILERS = re.compile(rf"\n\n{_STUDY}: (.+)\n{_EXPERIMENT}: (\d{{1,18}})\n\Z")


@dataclass(frozen=True)
class BranchUpdate:
    """What was done: the commits made now, as pairs of experiment and commit, oldest first.

    `commit` is the branch's last one, of the experiment `experiment`.
    """

    branch: str
    repository: Path
    path: str
    commit: str
    experiment: int
    made: tuple[tuple[int, str], ...]

    @property
    def sentence(self) -> str:
        """What was done, for people."""
        where = f"the branch {self.branch} of {self.repository}"
        if not self.made:
            return f"There is nothing new for {where}: it ends with #{self.experiment}."
        number = f"{len(self.made)} commit{'s' * (len(self.made) > 1)}"
        return f"Added {number} to {where}, which now ends with #{self.experiment}."


def update_branch(
    reader: Reader,
    *,
    target: str | None = None,
    branch: str | None = None,
    deadline: float = DEADLINE,
) -> BranchUpdate | None:
    """Make the study's branch, or append to it what was kept since; None if nothing has scored.

    `target` is the target's file in a repository, and `branch` the branch's name, where they are
    not those of the study's settings. Raises GitError with a sentence, and StoreError.
    """
    study = reader.study()
    file = target or _setting(study.settings, "target", "path")
    if not file:
        raise GitError(
            "This study edits the script that arl-tui ships, which is in no repository of yours: "
            "`export git --file FILE` says where it is to be."
        )
    place = Path(file).resolve()
    repository = Repository(place.parent, deadline)
    name = branch or _setting(study.settings, "git", "branch") or default_branch(study.name)
    ref = _HEADS + name
    if name.startswith("-") or not repository.is_name(ref):
        raise GitError(f"{one_line(name)!r} cannot be the name of a branch: choose another one.")
    chain = read_kept(reader)
    if not chain:
        return None
    path = repository.prefix + place.name
    old = repository.tip(ref)
    done = 0 if old is None else _position(repository, old, name, study, chain) + 1
    new = chain[done:]
    commits: list[str] = []
    if new:
        _refuse_checked_out(repository, ref)
        changes = [_change(study, kept, reader) for kept in new]
        commits = list(repository.commits(old or repository.head(), path, changes))
        repository.move(ref, commits[-1], old)
    return BranchUpdate(
        branch=name,
        repository=repository.root,
        path=path,
        commit=commits[-1] if commits else str(old),
        experiment=chain[-1 if new else done - 1].experiment.id,
        made=tuple((kept.experiment.id, made) for kept, made in zip(new, commits, strict=True)),
    )


def default_branch(study: str) -> str:
    """The branch of a study of this name: `arl/` and what a branch may be called of it."""
    words = re.sub(r"[^\w.-]+", "-", study)
    words = re.sub(r"\.(?=\.|lock\b)", "-", words).strip("-.")
    return f"arl/{words or 'study'}"


def message(study: Study, kept: Kept) -> str:
    """The commit message of a kept edit, or of the baseline: text from the study, in safe lines."""
    experiment = kept.experiment
    title = experiment.summary if experiment.kind == "candidate" else experiment.kind
    metric = Metric.of(study)
    by = SELF_REPORTED if metric.self_reported else "measured"
    score = f"{one_line(study.metric)} {metric.number(kept.score)} ({by})"
    if kept.before is not None and kept.delta is not None:
        change = metric.change(kept.delta, kept.score)
        score += f", {change} against #{kept.before.experiment_id}"
    lines = [score, f"study {one_line(study.name)}"]
    why = experiment.why if experiment.why != experiment.summary else ""
    reasons = (("kept", experiment.reason), ("policy", why))
    lines += [f"{name}: {one_line(reason)}" for name, reason in reasons if reason]
    subject = f"#{experiment.id} {one_line(title) or 'edit'}"
    if len(subject) > _SUBJECT:
        subject = subject[: _SUBJECT - 1] + "…"
    body = "\n".join(lines)
    return f"{subject}\n\n{body}\n\n{_STUDY}: {study.id}\n{_EXPERIMENT}: {experiment.id}\n"


def _change(study: Study, kept: Kept, reader: Reader) -> Change:
    source = reader.source(kept.experiment.source_sha)
    return Change(encode(source), message(study, kept), kept.since)


def _position(
    repository: Repository, tip: str, name: str, study: Study, chain: Sequence[Kept]
) -> int:
    """Which of the chain's experiments the branch ends with. Raises GitError for none of them."""
    commit = repository.read(tip)
    found = _TRAILERS.search(commit.message)
    advice = "delete or rename it, or choose another name with `branch` under [git]"
    if found is None or commit.committer != AUTHOR:
        raise GitError(
            f"The last commit of the branch {name} is not one of this study, and stays: {advice}."
        )
    if found[1] != study.id:
        raise GitError(f"The branch {name} belongs to another study: {advice}.")
    ids = [kept.experiment.id for kept in chain]
    if int(found[2]) not in ids:
        raise GitError(
            f"The branch {name} ends with #{found[2]}, which this study has not kept: {advice}."
        )
    return ids.index(int(found[2]))


def _refuse_checked_out(repository: Repository, ref: str) -> None:
    """The branch must not move below a work tree: every file of it would look changed there."""
    where = repository.checked_out_in(ref)
    if where is not None:
        name = ref.removeprefix(_HEADS)
        raise GitError(
            f"The branch {name} is checked out in {where}: switch to another branch there, for "
            "example with `git switch -`."
        )


def _setting(settings: Any, table: str, key: str) -> str | None:
    """A setting of the study; None where an older version recorded no such table."""
    found = settings.get(table) if isinstance(settings, Mapping) else None
    value = found.get(key) if isinstance(found, Mapping) else None
    return value if isinstance(value, str) else None
