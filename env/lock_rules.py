"""What the locks shall allow: the rules that `lock.py` is given for a trial and for a command.

Inside bubblewrap they need not repeat what it hides; alone they are the only wall.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from env import command_view, view
from env.access import Access

LOCK = str(Path(__file__).resolve().with_name("lock.py"))
SHARED_MEMORY = "/dev/shm"

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# Without bubblewrap: what Python, torch and its threads read about machine and process.
_ABOUT = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/sys/devices/system",
)


@dataclass(frozen=True)
class Allowed:
    """What else holds, by name, and files by what may be done with them."""

    calls: Mapping[str, bool]
    files: Mapping[str, Sequence[str]]

    def rules(self, *, landlock: bool, seccomp: bool) -> list[str]:
        """The arguments of `lock.py` that put these locks on."""
        chosen = {"landlock": landlock, "seccomp": seccomp, **self.calls}
        rules = [f"{name}=" for name, yes in chosen.items() if yes]
        if landlock:
            rules += [f"{name}={path}" for name, paths in self.files.items() for path in paths]
        return rules


def trial(*, walled: bool, gpu: Sequence[str], scratch: str) -> Allowed:
    """What a trial may do; `gpu` are its device files, none on a CPU.

    `walled`: bubblewrap is around it.
    """
    calls = {
        # Where the file system is shared, they lead to the user's other programs.
        "unix_sockets": walled,
        "memory_files": bool(gpu),
    }
    write = [*_DEVICES, *gpu, "/proc/self", scratch]
    if walled:
        return Allowed(calls, {"read": ["/"], "write": [*write, SHARED_MEMORY]})
    read = [*view.SYSTEM, *view.SYSTEM_FILES, *view.interpreter(), *_ABOUT]
    read += ["/sys", "/proc/driver"] if gpu else []
    parent = os.path.dirname(os.path.dirname(LOCK))  # Python looks there for the package
    hidden = list(view.covered())
    return Allowed(calls, {"read": read, "write": write, "listed": [parent], "hidden": hidden})


def command(*, walled: bool, gpu: Sequence[str], scratch: str, access: Access) -> Allowed:
    """What a command target may do; `gpu` are its device files, none on a CPU.

    `walled`: bubblewrap is around it.
    """
    calls = {
        # Data loaders need them; where the file system is shared, they lead to other programs.
        "unix_sockets": walled or access.network,
        "memory_files": walled or bool(gpu),
        # Inside bubblewrap a network of its own is the wall: `torchrun` talks to itself there.
        "internet": walled or access.network,
        # Root could read what others have in memory: it sees their processes here.
        "powerless": not walled,
    }
    # Without shared memory there is no semaphore, and so no data loader and no parallel compiler.
    write = [*_DEVICES, *gpu, "/proc/self", SHARED_MEMORY, scratch, *access.write]
    if walled:
        home = [access.home] if access.home else []
        return Allowed(calls, {"read": ["/"], "write": [*write, access.work, *home]})
    read = [*view.SYSTEM, *view.SYSTEM_FILES, *_ABOUT, *command_view.FILES]
    read.append("/proc")  # a child's /proc/self is another one than its parent's
    read += command_view.NETWORK_FILES if access.network else ()
    read += ["/sys"] if gpu or access.network else []  # its cards are there, too
    own = [access.folder, scratch, *access.write]  # programs in them may be executed, too
    read += [access.work, *access.shared, *access.read, *own]
    return Allowed(calls, {"read": read, "write": [*write, access.folder]})
