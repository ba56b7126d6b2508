"""Sentinels: the incumbent is run again now and then, so that a drift of the machine shows."""

from __future__ import annotations

from typing import Literal

from engine.drift import FOLLOW_UPS
from engine.runs import Runs
from engine.settings import Acceptance

# How often in a row a source's re-runs may fail outright before there are no more of them.
FAILURES = 2


def rerun_due(
    runs: Runs, incumbent_sha: str, rule: Acceptance
) -> Literal["sentinel", "replicate"] | None:
    """Whether the incumbent is to be run again before the next proposal, and as what.

    A sentinel after every `sentinel_every` candidates that ended. A replicate at once, while the
    last runs differ from those before by more than the noise explains, or while there is none
    since a drift. Never while another run of the incumbent is on its way. A function of the
    recorded experiments alone.
    """
    if rule.sentinel_every == 0 or runs.waiting(incumbent_sha):
        return None
    if runs.candidates_since_sentinel() >= rule.sentinel_every:
        return "sentinel"
    if runs.failures(incumbent_sha) >= FAILURES:
        return None
    unknown = runs.segment > 0 and not runs.fresh(incumbent_sha)
    if unknown or 0 < runs.suspected(incumbent_sha) < FOLLOW_UPS:
        return "replicate"
    return None
