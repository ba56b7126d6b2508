"""The second validation shard, which no decision ever sees: does a gain carry over to it?

A search that looks at one shard for long fits it. So the runs that a promotion compares are scored
on the sealed shard too, and a person is shown both.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from state.records import Experiment


def sealed_mean(experiments: Iterable[Experiment], epoch_id: int, source_sha: str) -> float | None:
    """The mean score of a source on the sealed shard, over its runs that nothing has selected."""
    found = [
        run.sealed_bpb
        for run in experiments
        if run.epoch_id == epoch_id
        and run.source_sha == source_sha
        and run.kind != "candidate"
        and run.sealed_bpb is not None
    ]
    return fmean(found) if found else None


def sealed_gain(
    experiments: Iterable[Experiment], epoch_id: int, source_sha: str, incumbent_sha: str
) -> str:
    """A clause for people on how a source compares with the incumbent there; "" if unknown."""
    runs = list(experiments)
    mine = sealed_mean(runs, epoch_id, source_sha)
    theirs = sealed_mean(runs, epoch_id, incumbent_sha)
    if mine is None or theirs is None:
        return ""
    return f"; on the sealed shard {mine - theirs:+.4f}"
