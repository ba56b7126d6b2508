"""Work copies of a person's folder: where a command runs, so that the folder stays as it is.

What is small is copied, so that a script may write beside its files as it always did. What is
large, and environments of Python, stay where they are, and can only be read.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from env.view import inside

LARGEST_FILE = 8 << 20  # bytes; a larger one is shared
LARGEST_FOLDER = 64 << 20  # bytes, with all that is below it
MOST_BYTES = 512 << 20  # that are copied in all
MOST_LINKS = 64  # that lead outside; of more, the folders that they lead into are opened
MOST_FILES = 2000  # in a folder, with all that is below it
MOST_SHARED = 64  # in a folder; with more, it is shared as a whole
# Not part of what a script needs, or not meant for it: other studies hold what was tried.
_LEFT_OUT = frozenset(
    {
        ".arl",
        "__pycache__",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        ".ipynb_checkpoints",
    }
)
_SHARED = frozenset({".git", ".hg", "node_modules"})
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")  # in a folder, they say that it is one of Python's


@dataclass(frozen=True)
class Layout:
    """What a copy of a folder consists of, as paths below it."""

    folders: tuple[str, ...]
    copied: tuple[str, ...]  # regular files and symbolic links
    shared: tuple[str, ...]  # files and folders
    links: tuple[str, ...]  # absolute paths outside that symbolic links lead to, and may open
    bytes: int  # of what is copied


def survey(folder: Path, edited: str = "", left_out: Sequence[Path] = ()) -> Layout:
    """How to copy a folder in which the file `edited` will be another one.

    Files that cannot be read are left out, as are the paths `left_out`. Raises OSError when the
    folder itself cannot be read, or holds too much.
    """
    hidden = {os.path.realpath(path) for path in left_out}
    found = _Survey(str(folder), hidden, edited)
    found.enter("")
    if len(found.copied) > 4 * MOST_FILES or len(found.shared) > 16 * MOST_SHARED:
        raise OSError(f"{folder} holds too many files: give the script a folder of its own")
    if found.bytes > MOST_BYTES:
        raise OSError(
            f"{folder} holds more than {MOST_BYTES >> 20} MiB of small files, which each run would "
            "copy: put them into a folder below it"
        )
    return Layout(
        tuple(found.folders),
        tuple(found.copied),
        tuple(found.shared),
        tuple(found.opened()),
        found.bytes,
    )


def copy(folder: Path, layout: Layout, into: Path, *, link_shared: bool) -> None:
    """Copy a folder to the new folder `into`.

    What is shared becomes an empty place to lay it over, or with `link_shared` a link to it.
    Files that have gone since the survey are left out. Raises OSError.
    """
    into.mkdir(mode=0o700)
    for name in layout.folders:
        (into / name).mkdir(mode=0o755, exist_ok=True)
    for name in layout.copied:
        try:
            shutil.copy2(folder / name, into / name, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if not (into / name).is_symlink():
            (into / name).chmod(stat.S_IMODE((into / name).stat().st_mode) | stat.S_IWUSR)
    for name in layout.shared:
        if link_shared:
            (into / name).symlink_to(folder / name)
        elif (folder / name).is_dir():
            (into / name).mkdir()
        else:
            (into / name).touch()


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is in it, also what a script has made read-only."""

    def open_up(function: object, path: str, error: object) -> None:
        parent = os.path.dirname(path)
        try:
            for place in (parent, path):
                if os.path.isdir(place) and not os.path.islink(place):
                    os.chmod(place, 0o700)
        except OSError:
            pass

    # What could not be removed at first can be once its folder may be written to.
    shutil.rmtree(folder, onerror=open_up)
    shutil.rmtree(folder, ignore_errors=True)


class _TooMuch(Exception):
    """A folder that is not worth a copy."""


class _Survey:
    """Walks through a folder, and decides about each entry."""

    def __init__(self, root: str, hidden: set[str], edited: str) -> None:
        self.folders: list[str] = []
        self.copied: list[str] = []
        self.shared: list[str] = []
        self.links: list[str] = []
        self._root = root
        self._real_root = os.path.realpath(root)
        self._home = os.path.realpath(os.path.expanduser("~"))
        self._hidden = hidden
        self._edited = edited
        self.bytes = 0

    def enter(self, below: str) -> None:
        """Decide about the entries of the folder `below` the root. Raises OSError."""
        may_be_shared = bool(below) and self._may_be_shared(below)
        copied, shared, before = len(self.copied), len(self.shared), self.bytes
        for name in sorted(os.listdir(os.path.join(self._root, below))):
            path = os.path.join(below, name)
            full = os.path.join(self._root, path)
            if name in _LEFT_OUT or os.path.realpath(full) in self._hidden:
                continue
            try:
                self._decide(path, full, os.lstat(full))
            except OSError:
                continue  # it cannot be read, or it has gone
            if may_be_shared and (
                len(self.copied) - copied > MOST_FILES
                or len(self.shared) - shared > MOST_SHARED
                or self.bytes - before > LARGEST_FOLDER
            ):
                raise _TooMuch

    def _decide(self, path: str, full: str, about: os.stat_result) -> None:
        if stat.S_ISLNK(about.st_mode):
            self.copied.append(path)
            target = os.path.realpath(full)
            if os.path.exists(target) and not self._is_too_wide(target):
                self.links.append(target)
        elif stat.S_ISREG(about.st_mode):
            if not os.access(full, os.R_OK):
                return
            if about.st_size > LARGEST_FILE:
                self.shared.append(path)
            else:
                self.copied.append(path)
                self.bytes += about.st_size
        elif stat.S_ISDIR(about.st_mode):
            self._decide_folder(path, full)

    def _decide_folder(self, path: str, full: str) -> None:
        environment = any(os.path.exists(os.path.join(full, name)) for name in _ENVIRONMENT)
        if (environment or os.path.basename(path) in _SHARED) and self._may_be_shared(path):
            self.shared.append(path)
            return
        lists = (self.folders, self.copied, self.shared, self.links)
        marks, before = [len(known) for known in lists], self.bytes
        self.folders.append(path)
        try:
            self.enter(path)
        except (_TooMuch, OSError, RecursionError) as error:
            for known, mark in zip(lists, marks, strict=True):
                del known[mark:]
            self.bytes = before
            if not isinstance(error, OSError):
                self.shared.append(path)

    def opened(self) -> list[str]:
        """What links lead to outside. Raises OSError for too many places."""
        links = list(dict.fromkeys(self.links))
        if len(links) > MOST_LINKS:
            parents = dict.fromkeys(os.path.dirname(link) for link in links)
            links = [path for path in parents if not self._is_too_wide(path)]
        if len(links) > MOST_LINKS:
            raise OSError(f"{self._root} has links into more than {MOST_LINKS} other folders")
        return links

    def _is_too_wide(self, target: str) -> bool:
        """Whether a link must not open its target: the project, what holds it, or holds home."""
        if inside(target, self._real_root):
            return True
        return any(inside(path, target) for path in (self._real_root, self._home))

    def _may_be_shared(self, path: str) -> bool:
        """Whether nothing below it is hidden, or edited."""
        real = os.path.realpath(os.path.join(self._root, path))
        hides = any(inside(hidden, real) for hidden in self._hidden)
        return not hides and not inside(self._edited, path)
