"""The git repository around a folder, through git's plumbing commands alone.

Nothing here touches a work tree, an index, HEAD or the configuration, and no hook runs. Commits
are the same whoever makes them where: author and dates are given, and settings that would change
them are overridden. Every command has a deadline.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.control import one_line

DEADLINE = 30.0  # seconds for one command
AUTHOR = "arl-tui"
_EMAIL = "arl-tui@localhost"
_LONGEST = 200  # characters of what git says
# Other settings are the person's: without `safe.directory`, for one, git refuses to read.
_OVERRIDES = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "index.sparse=false",
    "i18n.commitEncoding=UTF-8",
)
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_AUTHOR_NAME": AUTHOR,
    "GIT_AUTHOR_EMAIL": _EMAIL,
    "GIT_COMMITTER_NAME": AUTHOR,
    "GIT_COMMITTER_EMAIL": _EMAIL,
}


class GitError(Exception):
    """Git cannot do what is asked: one sentence for people."""


@dataclass(frozen=True)
class Commit:
    """What is read of a commit: who made it, and its message."""

    committer: str
    message: str


@dataclass(frozen=True)
class Change:
    """One commit to be made: a file's new bytes, the message, and an ISO time."""

    data: bytes
    message: str
    at: str


class Repository:
    """The repository that holds `folder`; `root` is its work tree's top folder.

    Every method raises GitError.
    """

    def __init__(self, folder: Path, deadline: float = DEADLINE) -> None:
        """Find it. Raises GitError: no such folder, no git, no repository, or a bare one."""
        self._deadline = deadline
        self.root = folder
        if not folder.is_dir():
            raise GitError(f"There is no folder {folder} whose repository could be used.")
        try:
            inside = self._text("rev-parse", "--is-inside-work-tree")
        except _Failed as error:
            if b"not a git repository" in error.said:
                raise GitError(
                    f"{folder} is in no git repository: make one there with `git init` and a "
                    "first commit."
                ) from error
            raise
        if inside != "true":
            raise GitError(
                f"{folder} is in a git repository without a work tree: use a clone that has one."
            )
        self.prefix = os.fsdecode(self._line("rev-parse", "--show-prefix"))
        """The path from `root` to `folder`, with a slash at its end; empty for `root` itself."""
        self.root = Path(os.fsdecode(self._line("rev-parse", "--show-toplevel")))

    def head(self) -> str:
        """The commit that is checked out. Raises GitError when there is none yet."""
        commit = self._resolve("HEAD^{commit}")
        if commit is None:
            raise GitError(f"The repository {self.root} has no commit yet: commit something first.")
        return commit

    def tip(self, ref: str) -> str | None:
        """The commit that a ref such as `refs/heads/main` points to; None without the ref."""
        return self._resolve(f"{ref}^{{commit}}")

    def is_name(self, ref: str) -> bool:
        """Whether git allows this as the name of a ref."""
        try:
            self._git("check-ref-format", ref)
        except _Failed:
            return False
        return True

    def checked_out_in(self, ref: str) -> Path | None:
        """The work tree, this one or another, in which the branch is checked out."""
        where = b""
        for line in self._git("worktree", "list", "--porcelain").split(b"\n"):
            kind, _, value = line.partition(b" ")
            if kind == b"worktree":
                where = value
            elif kind == b"branch" and value == os.fsencode(ref):
                return Path(os.fsdecode(where))
        return None

    def read(self, commit: str) -> Commit:
        """A commit's committer and message."""
        head, _, message = self._git("cat-file", "commit", commit).partition(b"\n\n")
        lines = head.decode("utf-8", "replace").split("\n")
        by = next((line for line in lines if line.startswith("committer ")), "")
        name = by.removeprefix("committer ").partition(" <")[0]
        return Commit(name, message.decode("utf-8", "replace"))

    def commits(self, parent: str, path: str, changes: Iterable[Change]) -> Iterator[str]:
        """Commits one on another, each with one more version of a file; yields their ids.

        `path` is relative to `root`. Everything else is as in the commit `parent`. No ref moves.
        """
        mode = self._mode(parent, path)
        with tempfile.TemporaryDirectory(prefix="arl-tui-") as folder:
            index = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
            self._git("read-tree", "--no-sparse-checkout", parent, env=index)
            for change in changes:
                blob = self._text("hash-object", "-w", "--stdin", data=change.data)
                entry = f"{mode} {blob}\t".encode() + os.fsencode(path) + b"\0"
                add = ("update-index", "--add", "--replace", "-z", "--index-info")
                self._git(*add, data=entry, env=index)
                tree = self._text("write-tree", env=index)
                parent = self._text(
                    *("commit-tree", "--no-gpg-sign", tree, "-p", parent),
                    data=change.message.encode("utf-8"),
                    env=_dates(change.at),
                )
                yield parent

    def move(self, ref: str, new: str, old: str | None) -> None:
        """Let a ref point to a commit, if it still is where it was; `old` None: it is made."""
        try:
            self._git("update-ref", "-m", "arl-tui", ref, new, old or "0" * len(new))
        except _Failed as error:
            if b"but expected" in error.said or b"reference already exists" in error.said:
                raise GitError(
                    f"Somebody moved the branch {short(ref)} meanwhile: nothing was changed."
                ) from error
            if b"cannot create" in error.said:  # a ref is a file, and cannot be a folder too
                raise GitError(
                    f"Another branch stands where {short(ref)} would be: choose another name with "
                    "`branch` under [git]."
                ) from error
            raise

    def _mode(self, commit: str, path: str) -> str:
        entry = self._git("--literal-pathspecs", "ls-tree", "--full-tree", "-z", commit, "--", path)
        return "100755" if entry.startswith(b"100755 ") else "100644"

    def _resolve(self, name: str) -> str | None:
        try:
            return self._text("rev-parse", "--verify", "--quiet", name)
        except _Failed as error:
            if error.said:
                raise
            return None

    def _text(self, *command: str, data: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        return self._git(*command, data=data, env=env).decode("ascii", "replace").strip()

    def _line(self, *command: str) -> bytes:
        return self._git(*command).removesuffix(b"\n")

    def _git(self, *command: str, data: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """What a command prints. Raises GitError; _Failed when it ended with an error."""
        options = [word for setting in _OVERRIDES for word in ("-c", setting)]
        own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            process = subprocess.Popen(
                ["git", "--no-replace-objects", *options, *command],
                cwd=self.root,
                env=own | _ENVIRONMENT | dict(env or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise GitError("There is no git program here: install git.") from error
        except OSError as error:
            raise GitError(f"git could not be started ({error.strerror}).") from error
        try:
            out, said = process.communicate(data, self._deadline)
        except subprocess.TimeoutExpired as error:
            raise GitError(
                f"`git {command[0]}` in {self.root} did not end within {self._deadline:g} s."
            ) from error
        finally:
            _end(process)
        if process.returncode:
            raise _Failed(command[0], said)
        return out


class _Failed(GitError):
    """A git command that ended with an error."""

    def __init__(self, command: str, said: bytes) -> None:
        lines = said.decode("utf-8", "replace").strip().split("\n")
        reason = one_line(lines[0].removeprefix("fatal: ").removeprefix("error: ")).rstrip(".")
        super().__init__(f"`git {command}` failed: {reason[:_LONGEST] or 'it did not say why'}.")
        self.said = said


def short(ref: str) -> str:
    """A branch as people call it."""
    return ref.removeprefix("refs/heads/")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and what it started, if it has not ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _dates(at: str) -> dict[str, str]:
    seconds = f"@{int(datetime.fromisoformat(at).timestamp())} +0000"
    return {"GIT_AUTHOR_DATE": seconds, "GIT_COMMITTER_DATE": seconds}
