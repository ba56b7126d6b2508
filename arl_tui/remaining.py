"""How long a running experiment still takes, as far as its budget tells."""

from __future__ import annotations

from state.present import Live
from state.records import Epoch


def seconds_left(live: Live, epoch: Epoch | None) -> float | None:
    """Seconds of training that are left of its budget, or None while that is unknown.

    CPU seconds are taken for wall seconds, which is right for one busy thread.
    """
    if epoch is None or live.phase != "training":
        return None
    left = (1.0 - min(live.progress, 1.0)) * epoch.budget
    if epoch.clock != "steps":
        return left
    return left / live.steps_per_second if live.steps_per_second else None
