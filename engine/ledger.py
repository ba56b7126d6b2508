"""What the recorded experiments come to for the oracle, kept up as they change."""

from __future__ import annotations

from bisect import bisect_right, insort

from engine.convergence import Record, gains_above
from engine.failures import Streaks
from state.records import SCORED, Incumbent, Status
from state.standing import Changes, Seen, Standing

_TRIED: frozenset[Status] = SCORED | {"abort"}


class Ledger:
    """Counts, improvement record and streaks of a study in one epoch.

    Failures count from the event after `failures_from` on, so that a study that is run again after
    it was stopped and mended begins without them.
    """

    def __init__(self, epoch_id: int, failures_from: int = 0) -> None:
        self.seen = Seen()
        self.streaks = Streaks()
        self.best: float | None = None  # the incumbent's score
        self.first: float | None = None  # that of the epoch's first incumbent
        self._epoch_id = epoch_id
        self._failures_from = failures_from
        self._kinds: dict[int, str] = {}
        self._measuring = 0  # of these, baselines and their replicates
        self._told: set[int] = set()
        self._tried: list[int] = []  # in order
        self._open: set[int] = set()
        self._incumbent: Incumbent | None = None
        self._promotions: list[tuple[int, float]] = []

    @property
    def experiments(self) -> int:
        """How many are recorded, of every epoch."""
        return len(self._kinds)

    @property
    def after_baseline(self) -> int:
        """Of these, neither baseline nor replicate."""
        return len(self._kinds) - self._measuring

    @property
    def open(self) -> int:
        """Candidates of the epoch that have scored and wait for their verdict."""
        return len(self._open)

    def record(self, epsilon: float) -> Record:
        """The epoch's improvement record; gains count once they add up to more than `epsilon`."""
        at = [(max(1, bisect_right(self._tried, id_)), gain) for id_, gain in self._promotions]
        return Record(max(len(self._tried), bool(at)), gains_above(at, epsilon))

    def take(self, changes: Changes) -> None:
        """Take in what has changed."""
        self.seen = changes.seen
        self._told.update(changes.told)
        standings = {one.id: one for one in changes.standings}
        for one in changes.standings:
            self._count(one)
        for incumbent in changes.incumbents:
            if incumbent.epoch_id == self._epoch_id:
                self._follow(incumbent)
        for event, experiment_id in changes.ended:
            one = standings[experiment_id]
            if event > self._failures_from and one.epoch_id == self._epoch_id:
                self.streaks.take(one.kind, one.status, one.reason)

    def _count(self, one: Standing) -> None:
        if one.id not in self._kinds:
            self._kinds[one.id] = one.kind
            self._measuring += one.kind in ("baseline", "replicate")
        if one.kind != "candidate" or one.epoch_id != self._epoch_id or one.status not in _TRIED:
            return
        if one.id not in self._told:
            self._open.add(one.id)
            return
        self._open.discard(one.id)
        place = bisect_right(self._tried, one.id)
        if place == 0 or self._tried[place - 1] != one.id:
            insort(self._tried, one.id)

    def _follow(self, incumbent: Incumbent) -> None:
        """A new incumbent is a gain on the last measure of the one before."""
        before, self._incumbent = self._incumbent, incumbent
        self.best = incumbent.score
        if before is None:
            self.first = incumbent.score
        elif before.experiment_id != incumbent.experiment_id:
            self._promotions.append((incumbent.experiment_id, before.score - incumbent.score))
