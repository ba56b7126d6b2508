"""Files that must stay as they are while a study runs, by what is in them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path


class FrozenFiles:
    """Some files of a folder, and their SHA-256 when the study was opened."""

    def __init__(
        self,
        folder: Path,
        digests: Mapping[str, str],
        stamps: Mapping[str, tuple[int, ...] | None],
    ) -> None:
        """`stamps` are of before the files were read: what changes meanwhile is seen later."""
        self.folder = folder
        self.digests = dict(digests)
        self._stamps = dict(stamps)

    @classmethod
    def read(cls, folder: Path, names: Sequence[str]) -> FrozenFiles:
        """Hash the files. Raises OSError, with the file's name, for one that cannot be read."""
        stamps = {name: _stamp(folder / name) for name in names}
        return cls(folder, {name: digest(folder / name) for name in names}, stamps)

    def changed(self, copy: Path | None = None) -> list[str]:
        """The names of the files that are not what they were; those of a `copy` of the folder."""
        folder = copy or self.folder
        return [name for name, known in self.digests.items() if _digest(folder / name) != known]

    def touched(self) -> list[str]:
        """The same at less cost: only files whose times or size have changed are read again.

        The kernel sets one of the times at each change, whatever a program sets.
        """
        found = []
        for name, known in self.digests.items():
            stamp = _stamp(self.folder / name)
            if stamp == self._stamps[name]:
                continue
            if stamp is None or _digest(self.folder / name) != known:
                found.append(name)
            else:
                self._stamps[name] = stamp
        return found


def digest(path: Path) -> str:
    """The SHA-256 of a file. Raises OSError; a pipe, which would wait for ever, is none."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(path: Path) -> str | None:
    try:
        return digest(path)
    except OSError:
        return None


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
