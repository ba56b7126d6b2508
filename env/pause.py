"""Holds everything below this process still for a while: no time passes for it.

Linux, standard library only.
"""

from __future__ import annotations

import os
import signal
import time

from env import processes

_PASSES = 20


def pause() -> None:
    """Stop all descendants of this process; none of them can refuse.

    What is started or woken while they are being stopped is found in another pass. Whoever wants to
    be sure calls it again from time to time.
    """
    for _ in range(_PASSES):
        running = [pid for pid in processes.descendants(os.getpid()) if not _stopped(pid)]
        if not running:
            return
        for pid in running:
            _send(pid, signal.SIGSTOP)
        time.sleep(0.001)


def resume() -> None:
    """Let all descendants of this process go on."""
    for pid in processes.descendants(os.getpid()):
        _send(pid, signal.SIGCONT)


def _stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has ended
    return text[text.rindex(b")") + 2 :].split(None, 1)[0] in (b"T", b"t")


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended by itself
