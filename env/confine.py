"""What a process asks of the kernel about itself and its children. Linux, standard library only."""

from __future__ import annotations

import ctypes
import resource
import signal
from collections.abc import Mapping

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LIBC = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Adopt every orphan among this process's descendants. Raises OSError when refused."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide() -> None:
    """Close this process's memory and descriptors to others of the same user (not to root)."""
    _prctl(_PR_SET_DUMPABLE, 0)


def confine(rlimits: Mapping[str, int]) -> None:
    """In a new child, before its command: die with the parent, gain no privileges, keep limits.

    `rlimits` by lower-case name ("as", "core", "fsize", "nofile"), soft and hard. When memory runs
    out, the kernel shall end this process rather than the engine.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a backstop: it fires when a *thread* ends
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 1)
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        pass  # a container may forbid it; nothing else depends on it
    for name, value in rlimits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}")
        _, hard = resource.getrlimit(number)
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (limit, limit))


def outlive_signals() -> None:
    """Survive stray signals, without making the commands started from here ignore them."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # A handler, not SIG_IGN: that would be inherited through exec.
        signal.signal(number, lambda *_: None)


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) was refused")
