"""What a command target sees of the file system: a plan of mounts, and bubblewrap's options for it.

Mounts are made at paths without links, the outer before the inner, so that none is made through a
link or hidden by a later one. The links that lead there are made as links: an interpreter finds
its own folders by where its links lead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from env import view
from env.access import Access

FILES = ("/etc/hosts", "/etc/os-release", "/etc/lsb-release")
NETWORK_FILES = (
    "/etc/resolv.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl/openssl.cnf",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ca-certificates",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/crypto-policies",
)
# The lock lies where nothing of the user's can be: not beside an `env` of theirs, and not below a
# folder of ours that their interpreter might look into.
LOCK = "/.arl/env/lock.py"
_LOCK_FILES = ("__init__.py", "capabilities.py", "landlock.py", "lock.py", "seccomp.py")
_PROCESSES, _DEVICES = "/proc", "/dev"

Kind = Literal["empty", "link", "read", "write"]


@dataclass(frozen=True)
class Mount:
    """What lies at a path inside: a folder or file of the host, a link, or an empty folder."""

    at: str
    kind: Kind
    source: str = ""
    """The path on the host, or where the link leads."""

    @property
    def own(self) -> bool:
        """Whether the host has the same there, with all that is below."""
        return self.kind in ("read", "write") and self.source == self.at


def mounts(access: Access, needed: Iterable[str] = ()) -> tuple[Mount, ...]:
    """The mounts for a command, the outer before the inner; `needed` are more paths to read.

    What the system's folders show anyway is left out, and what another mount shows.
    """
    links, work = _resolved(access.work)
    wanted: dict[str, Mount] = {}  # by place; what is found later counts
    if access.home:
        found, home = _resolved(access.home)
        links += found
        if home != "/" and not _of_system(home) and not _of_kernel(home):
            wanted[home] = Mount(home, "empty")
    for path in access.shared:
        at = _in_copy(access.folder, work, os.path.relpath(path, access.work))
        if at is not None and os.path.exists(path):
            wanted[at] = Mount(at, "read", os.path.realpath(path))
    kinds: tuple[tuple[Kind, Iterable[str]], ...] = (
        ("read", (*access.read, *needed)),
        ("write", access.write),
    )
    for kind, paths in kinds:
        for path in paths:
            found, real = _resolved(path)
            if os.path.exists(real) and not _of_kernel(real):
                links += found
                wanted[real] = Mount(real, kind, real)
    wanted[work] = Mount(work, "write", os.path.realpath(access.folder))
    for link in links:
        if not view.inside(link.at, work):  # a link in the project is in its copy, too
            wanted.setdefault(link.at, link)
    return tuple(_without_what_shows(wanted.values()))


def options(plan: Iterable[Mount], scratch_bytes: int) -> list[str]:
    """bubblewrap's options that make the mounts; each empty folder holds `scratch_bytes`."""
    result: list[str] = []
    for mount in plan:
        if mount.kind == "empty":
            result += ["--size", str(scratch_bytes), "--tmpfs", mount.at]
        elif mount.kind == "link":
            result += ["--symlink", mount.source, mount.at]
        else:
            bind = "--ro-bind-try" if mount.kind == "read" else "--bind-try"
            if view.inside(mount.at, _DEVICES) and mount.kind == "write":
                bind = "--dev-bind-try"
            result += [bind, mount.source, mount.at]
    return result


def etc(network: bool) -> list[str]:
    """bubblewrap's options for files of the system that a command may need."""
    return _bound((path, path) for path in (*FILES, *(NETWORK_FILES if network else ())))


def lock() -> list[str]:
    """bubblewrap's options that put the lock at `LOCK`."""
    ours = Path(__file__).resolve().parent
    inside = os.path.dirname(LOCK)
    return _bound((str(ours / name), f"{inside}/{name}") for name in _LOCK_FILES)


def _bound(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [word for source, at in pairs for word in ("--ro-bind-try", source, at)]


def _resolved(path: str) -> tuple[list[Mount], str]:
    """A path without links, and the links that were on the way."""
    links: list[Mount] = []
    done = "/"
    for part in os.path.normpath(path).strip("/").split("/"):
        done = os.path.join(done, part)
        if os.path.islink(done):
            links.append(Mount(done, "link", os.path.realpath(done)))
            done = links[-1].source
    return links, done


def _in_copy(folder: str, work: str, below: str) -> str | None:
    """Where a path below the copy lies inside, links followed; None when it leads out of it."""
    copy = os.path.realpath(folder)
    real = os.path.realpath(os.path.join(copy, below))
    for root in (copy, work):  # a link may name the project by its own path
        if view.inside(real, root):
            return os.path.normpath(os.path.join(work, os.path.relpath(real, root)))
    return None


def _of_system(path: str) -> bool:
    return any(view.inside(path, root) for root in view.SYSTEM)


def _of_kernel(path: str) -> bool:
    """Whether the sandbox has its own there: its processes, and its folder of devices."""
    return path == _DEVICES or view.inside(path, _PROCESSES)


def _without_what_shows(wanted: Iterable[Mount]) -> Iterator[Mount]:
    around: list[Mount] = []
    for mount in sorted(wanted, key=lambda mount: mount.at.split("/")):
        while around and not view.inside(mount.at, around[-1].at):
            around.pop()
        outer = around[-1] if around else None
        if outer is None:
            shows = mount.kind != "write" and mount.kind != "empty" and _of_system(mount.at)
        else:
            shows = outer.own and mount.own and outer.kind == mount.kind
            shows |= outer.own and mount.kind == "link"
        if not shows:
            around.append(mount)
            yield mount
