"""The edits that a study has kept: the chain that leads from its baseline to its best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from state.read import Reader
from state.records import Experiment, Incumbent


@dataclass(frozen=True)
class Kept:
    """An experiment that became the incumbent; the first one of a study is its baseline.

    `score` is its mean score when it became the incumbent, at the time `since`. `before` is the
    incumbent that it replaced, as last measured; None for the baseline.
    """

    experiment: Experiment
    score: float
    since: str
    before: Incumbent | None

    @property
    def delta(self) -> float | None:
        """Its score minus that of the incumbent before it; None for the baseline."""
        return None if self.before is None else self.score - self.before.score


def kept_edits(
    incumbents: Sequence[Incumbent], experiments: Mapping[int, Experiment]
) -> list[Kept]:
    """The baseline and each candidate that was promoted, once, in the order of the promotions.

    `incumbents` are all of them, oldest first, and `experiments` holds theirs by id. Later rows of
    an experiment refine its mean or repeat it in another epoch: they change nothing here.
    """
    chain: list[Kept] = []
    seen: set[int] = set()
    before: Incumbent | None = None
    for row in incumbents:
        experiment = experiments[row.experiment_id]
        promoted = experiment.kind == "candidate" and experiment.status == "keep"
        if row.experiment_id not in seen and (promoted or not chain):
            same_epoch = before is not None and before.epoch_id == row.epoch_id
            chain.append(Kept(experiment, row.score, row.since, before if same_epoch else None))
        seen.add(row.experiment_id)
        before = row
    return chain


def read_kept(reader: Reader) -> list[Kept]:
    """The kept edits of a study; empty until its baseline has been measured."""
    incumbents = reader.incumbents()
    ids = {row.experiment_id for row in incumbents}
    return kept_edits(incumbents, {number: reader.experiment(number) for number in ids})
