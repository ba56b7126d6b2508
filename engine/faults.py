"""Named points at which a crash can be provoked, to test that nothing is lost.

`ARL_FAULT=before-commit:3` ends the process with SIGKILL when it reaches that point for the third
time. Without the variable a fault point does nothing.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

POINTS = (
    "epoch-begun",  # the epoch is in the database; its baseline is not
    "asked",  # the policy has proposed; nothing is written
    "enqueued",  # the experiment is in the database
    "review-requested",  # a person is asked about it
    "amended",  # a person's source has replaced it
    "vetoed",  # a person's veto is committed; the policy has not been told
    "before-start",
    "started",  # its status is running
    "spawned",  # its supervisor has its candidate, or the order to score it
    "training",  # its clock runs
    "reported",  # it has reported a loss
    "trained",  # it has reached its deadline
    "scoring",  # its scorer has the order
    "scored",  # its score is known to the engine alone
    "recorded",  # its outcome is committed; the policy has not been told
    "settled",  # the acceptance rule's decision is committed
    "watched",  # a sentinel, or a re-run that it asked for, is in the database
    "drifted",  # a drift is recorded, and not yet announced
    "told",  # the policy has been told; its state is not saved
    "state-written",  # the policy's state is on disk; the database does not know it
    "state-saved",  # the database knows it
    "finishing",  # the study is about to be marked as finished
)

_reached: Counter[str] = Counter()


def fault_point(name: str) -> None:
    """Die here, if `ARL_FAULT` says so."""
    wanted = os.environ.get("ARL_FAULT")
    if wanted is None:
        return
    point, _, count = wanted.partition(":")
    if point != name:
        return
    _reached[name] += 1
    if _reached[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
