"""What a command target may reach: its folder, and the paths that were listed for it."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """What a command target may reach, besides the system.

    Of two paths that nest, the inner one counts for what lies in it. A path that is a link, or
    leads through one, stands for what it leads to; the link is there, too. Raises ValueError for
    a path that is not absolute, and for the whole file system.
    """

    work: str
    """Absolute path at which the command finds its folder: the project's own path."""
    folder: str
    """The folder of the host that lies there, writable: a work copy."""
    shared: tuple[str, ...] = ()
    """Absolute paths below `work` that are the project's own, read-only, laid over the copy."""
    read: tuple[str, ...] = ()
    """Absolute paths, read-only; missing ones are skipped."""
    write: tuple[str, ...] = ()
    """Absolute paths, writable; missing ones are skipped."""
    home: str = ""
    """Absolute path of the user's home: there, an empty folder with nothing but what is listed."""
    network: bool = False

    def __post_init__(self) -> None:
        single = (self.work, self.folder, *([self.home] if self.home else []))
        for path in (*single, *self.shared, *self.read, *self.write):
            if not os.path.isabs(path):
                raise ValueError(f"{path!r} is not an absolute path")
        for path in (self.work, *self.read, *self.write):
            if os.path.normpath(path).strip("/") == "":
                raise ValueError("a command cannot be given the whole file system: name folders")
