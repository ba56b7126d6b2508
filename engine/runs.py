"""An epoch's runs as the keep rule reads them: by source, by segment, and with their noise.

A segment is a stretch of the epoch without a drift (engine/drift.py). Scores compare only within
one. Everything is a function of the recorded experiments.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass

from engine.drift import Drift, DriftScan, Residuals, suspected
from engine.means import mean
from state.records import Experiment

# Runs of what was the incumbent then; nothing has selected them.
_WATCHED = ("baseline", "replicate", "sentinel")


@dataclass(frozen=True)
class Noise:
    """The run-to-run standard deviation of a score, and the degrees of freedom behind it."""

    sigma: float
    freedom: int


class Runs:
    """The runs of an epoch, sorted by the source that they measure."""

    def __init__(
        self, experiments: Iterable[Experiment], epoch_id: int, drift: float = 0.0
    ) -> None:
        """`drift` is the chance of a false alarm of the drift test in a study; 0: no such test."""
        self.all: list[Experiment] = []
        self.drifts: list[Drift] = []
        self._epoch_id = epoch_id
        self._tests_drift = drift > 0
        self._scan = DriftScan(drift)
        self._candidates: list[int] = []  # that ended
        self._last_sentinel = -1
        self._repeats: dict[str, list[Experiment]] = {}
        self._waiting: dict[str, int] = {}
        self._measured: list[Experiment] = []  # in the order in which they ended
        self._fresh: dict[tuple[int, str], list[float]] = {}
        self._tested: dict[str, None] = {}  # in the order of the first confirmations
        self._kept: set[str] = set()
        # None or empty: to be found again.
        self._noise: Noise | None = None
        self._residuals: Residuals | None = None
        self._suspected: dict[str, int] = {}
        known = list(experiments)
        for run in known:
            self._note(run)
        # With several slots an earlier run may end later: it must not change what was found.
        for run in sorted(known, key=lambda run: (run.ended_at or "", run.id)):
            self._measure(run)

    def add(self, run: Experiment) -> None:
        """Take in one more experiment, which is later than those before."""
        self._note(run)
        self._measure(run)

    # What was measured

    @property
    def segment(self) -> int:
        """The current segment: the number of drifts so far."""
        return len(self.drifts)

    def segment_of(self, run_id: int) -> int:
        """The segment of an experiment."""
        return sum(run_id >= drift.first_id for drift in self.drifts)

    def fresh(self, source_sha: str, segment: int | None = None) -> list[float]:
        """The scores of a source that nothing has selected; of the current segment by default."""
        return self._fresh.get((self.segment if segment is None else segment, source_sha), [])

    def noise(self) -> Noise | None:
        """sigma pooled over the residuals within each source and segment.

        None before any source was run twice in one.
        """
        if self._noise is None:
            pooled = self._pooled()
            if pooled.freedom == 0:
                return None
            self._noise = Noise(math.sqrt(pooled.squares / pooled.freedom), pooled.freedom)
        return self._noise

    def suspected(self, source_sha: str) -> int:
        """How many of a source's last runs seem to come after a drift that is not proven; or 0."""
        if not self._tests_drift:
            return 0
        if source_sha not in self._suspected:
            newest = self._scan.runs_since(source_sha, -1)
            scores = self.fresh(source_sha)
            self._suspected[source_sha] = suspected(scores, newest, self._pooled())
        return self._suspected[source_sha]

    # What is there

    def waiting(self, source_sha: str) -> int:
        """How many unselected runs of a source are queued or running."""
        return self._waiting.get(source_sha, 0)

    def failures(self, source_sha: str) -> int:
        """How many unselected runs of a source have failed since one scored."""
        count = 0
        for run in reversed(self._repeats.get(source_sha, [])):
            if run.val_bpb is not None:
                break
            count += run.ended
        return count

    def straddles(self, candidate: Experiment) -> bool:
        """Whether a candidate was run before a drift, too."""
        own = [candidate, *self._repeats.get(candidate.source_sha, [])]
        return any(self.segment_of(run.id) < self.segment for run in own)

    def runs_beside(self, incumbent_sha: str, source_sha: str) -> int:
        """How often the incumbent was run since the first re-run of a source in this segment."""
        own = [run.id for run in self._repeats.get(source_sha, []) if run.val_bpb is not None]
        first = next((id_ for id_ in own if self.segment_of(id_) == self.segment), -1)
        return self._scan.runs_since(incumbent_sha, first)

    def candidates_since_sentinel(self) -> int:
        """How many candidates were queued after the last sentinel and have ended."""
        return len(self._candidates) - bisect_right(self._candidates, self._last_sentinel)

    def test_number(self, source_sha: str) -> int:
        """Which test of the study a source's is, from 1; those that led to a promotion are free.

        Counted over all epochs. A source that is not tested yet would come last.
        """
        number = 1
        for tested in self._tested:
            if tested == source_sha:
                break
            number += tested not in self._kept
        return number

    def _note(self, run: Experiment) -> None:
        if run.kind == "confirmation":
            self._tested.setdefault(run.source_sha)
        elif run.kind == "candidate" and run.status == "keep":
            self._kept.add(run.source_sha)
        if run.epoch_id != self._epoch_id:
            return
        self.all.append(run)
        # A candidate's own run was selected for its score: it is no fair sample.
        if run.kind == "candidate":
            if run.ended:
                insort(self._candidates, run.id)
            return
        if run.kind == "sentinel":
            self._last_sentinel = max(self._last_sentinel, run.id)
        self._repeats.setdefault(run.source_sha, []).append(run)
        if not run.ended:
            self._waiting[run.source_sha] = self._waiting.get(run.source_sha, 0) + 1

    def _measure(self, run: Experiment) -> None:
        if run.kind == "candidate" or run.val_bpb is None:
            return
        watched = run.kind in _WATCHED
        if run.epoch_id != self._epoch_id:
            if watched:
                self._scan.skip()
            return
        self._measured.append(run)
        self._group(run, run.val_bpb)
        if self.segment_of(run.id) < self.segment:
            return
        if not watched:
            self._scan.confirmed(run.id, run.source_sha, run.val_bpb)
            return
        drift = self._scan.add(run.id, run.source_sha, run.val_bpb, self._pooled())
        if drift is not None:
            self.drifts.append(drift)
            self._fresh.clear()
            for earlier in self._measured:
                if earlier.val_bpb is not None:
                    self._group(earlier, earlier.val_bpb)

    def _group(self, run: Experiment, score: float) -> None:
        key = self.segment_of(run.id), run.source_sha
        self._fresh.setdefault(key, []).append(score)
        self._noise = self._residuals = None
        self._suspected.clear()

    def _pooled(self) -> Residuals:
        if self._residuals is None:
            squares, freedom = 0.0, 0
            for scores in self._fresh.values():
                middle = mean(scores)
                squares += sum((score - middle) ** 2 for score in scores)
                freedom += len(scores) - 1
            self._residuals = Residuals(squares, freedom)
        return self._residuals
