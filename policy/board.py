"""What a policy remembers of a study, as tensors: statistics of moves, and the last experiments.

One board serves any number of studies side by side (the first dimension of every tensor, B), so
that simulated studies learn from the same numbers as a real one. S counts sites, M moves in an
edit, W ways (down and up, or one per choice), P positions.

Gains are counted in units of the noise, large ones compressed by asinh. Where nobody has told the
noise it is taken as half the median change of score; where nobody has told the incumbent's score,
as the best of what did not beat it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, NamedTuple, get_args

import torch
from torch import Tensor

from policy.contract import FAILURES, Status
from policy.moves import PLACES, REACH, WAYS
from policy.table import Table, place

REMEMBERED = 32  # experiments
MOVES = 3  # most sites in an edit
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
KEEP, DISCARD, ABORT, VETO = map(STATUSES.index, ("keep", "discard", "abort", "veto"))
_FAILED = tuple(map(STATUSES.index, FAILURES))

# Statistics of a way, as `policy.adaptive_policy` keeps them: what a gain is taken to be before
# any try, the variance of one outcome, and how fast old credit fades.
_MEAN, _VARIANCE, _SPREAD, _DRIFT = -0.3, 1.0, 0.4, 0.01
_HOPELESS = -1.8
_CHANGES = 64  # scores whose change is remembered


@dataclass
class Told:
    """How one experiment of each study ended; M moves, -1 where there are fewer.

    `parent` is the parent's score. Whatever is unknown is nan.
    """

    sites: Tensor  # [B, M]
    starts: Tensor  # [B, M] positions before
    ends: Tensor  # [B, M] and after
    status: Tensor  # [B] index into STATUSES
    score: Tensor  # [B], as all below
    parent: Tensor
    seconds: Tensor
    memory: Tensor


class _Taken(NamedTuple):
    """The moves of an outcome as indices, and what kind of moves they are."""

    rows: Tensor  # [B] the studies
    sites: Tensor  # [B, M], as all below; 0 where there is no move
    moved: Tensor  # whether there is one
    ways: Tensor
    choices: Tensor

    def at(self, third: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where statistics [B, S, n] of these moves are, given the last index [B, M]."""
        return self.rows[:, None].expand_as(self.sites), self.sites, third


class Board:
    """The statistics, updated by `tell`; `policy.features` makes the network's input of them."""

    def __init__(self, table: Table) -> None:
        self.table = table
        b, s = table.low.shape
        device = table.low.device

        def full(*shape: int, value: float = 0.0) -> Tensor:
            return torch.full((b, *shape), value, device=device)

        def whole(*shape: int, value: int = 0) -> Tensor:
            return torch.full((b, *shape), value, dtype=torch.long, device=device)

        self.position = table.origin.clone()
        self.told = whole()
        self.since = whole()  # experiments since the incumbent moved
        self.kept = whole()
        self.failed = full()  # recent share of failures
        self.reference = full(value=torch.nan)  # the incumbent's score
        self.first = full(value=torch.nan)  # the first score known: what progress is counted from
        self.floor = full(value=torch.nan)  # best score that did not beat the incumbent
        self.noise = full(value=torch.nan)  # as told
        self.changes = full(_CHANGES, value=torch.nan)
        # Per way: since the site last moved.
        self.mean = full(s, WAYS, value=_MEAN)
        self.variance = full(s, WAYS, value=_VARIANCE)
        self.tries = full(s, WAYS)
        self.blame = full(s, WAYS)
        self.dislike = full(s, WAYS)
        self.effect = full(s, WAYS)
        # Per way: ever.
        self.all_tries = full(s, WAYS)
        self.all_wins = full(s, WAYS)
        # Per value.
        self.value_tries = full(s, PLACES)
        self.value_fails = full(s, PLACES)
        self.value_best = full(s, PLACES, value=torch.inf)
        # The last experiments, as a ring.
        self.record_status = whole(REMEMBERED, value=-1)
        self.record_score = full(REMEMBERED, value=torch.nan)
        self.record_parent = full(REMEMBERED, value=torch.nan)
        self.record_seconds = full(REMEMBERED, value=torch.nan)
        self.record_memory = full(REMEMBERED, value=torch.nan)
        self.record_sites = whole(REMEMBERED, MOVES, value=-1)
        self.record_steps = whole(REMEMBERED, MOVES)
        self.record_time = whole(REMEMBERED)

    def sigma(self) -> Tensor:
        """The noise's deviation [B]: as told, else half the median change; 0 where unknown."""
        estimate = torch.nanmedian(self.changes, dim=1).values / 2
        return torch.where(self.noise > 0, self.noise, estimate).nan_to_num(0.0)

    def base(self) -> Tensor:
        """What a score is compared with [B]: the incumbent's score, or the best guess; else nan."""
        return torch.where(self.reference.isnan(), self.floor, self.reference)

    def gain(self, start: Tensor, score: Tensor) -> Tensor:
        """asinh of how much better than `start`, in units of the noise; 0 where that is unknown."""
        sigma = self.sigma()
        if start.dim() > 1:
            sigma = sigma[:, None]
        gain = torch.asinh((start - score) / sigma)
        return torch.where(sigma > 0, gain, 0.0).nan_to_num(0.0, 0.0, 0.0)

    def observe(self, score: Tensor, noise: Tensor) -> None:
        """The incumbent's score and the noise [B] as measured by re-runs; nan where not."""
        self.reference = torch.where(score.isnan(), self.reference, score)
        self.first = torch.where(self.first.isnan(), score, self.first)
        self.noise = torch.where(noise.isnan(), self.noise, noise)

    def tell(self, told: Told) -> Tensor:
        """Take in one outcome of each study; the gains [B] that it counted for."""
        rows = torch.arange(len(told.status), device=told.status.device)
        sites = told.sites.clamp(min=0)
        moved = told.sites >= 0
        choices = self.table.choices.gather(1, sites)
        ways = torch.where(
            choices > 0, told.ends.clamp(max=WAYS - 1), (told.ends > told.starts).long()
        )
        taken = _Taken(rows, sites, moved, ways, choices)
        scored = told.score.isfinite()
        keep = told.status == KEEP
        failed = torch.isin(told.status, told.status.new_tensor(_FAILED)).float()
        gain = self._take_score(told, scored)
        self._credit(told, taken, scored, failed, gain)
        self._note_values(told, taken, scored)
        self._record(told, taken, scored)
        self.told += 1
        self.since += 1
        self.kept += keep.long()
        self.since[keep] = 0
        self.failed = self.failed * 0.9 + 0.1 * failed
        self._move(told, taken._replace(moved=moved & keep[:, None]))
        # An incumbent whose score nobody tells is unknown, not as good as the last one.
        self.reference = torch.where(keep, told.score, self.reference)
        self.floor[keep] = torch.nan
        return gain

    def _take_score(self, told: Told, scored: Tensor) -> Tensor:
        start = torch.where(told.parent.isnan(), self.base(), told.parent)
        change = (told.score - start).abs()
        self.changes = torch.where(
            change.isfinite()[:, None],
            torch.cat((self.changes[:, 1:], change[:, None]), 1),
            self.changes,
        )
        start = torch.where(start.isnan(), told.score, start)
        self.first = torch.where(self.first.isnan() & scored, start, self.first)
        lost = scored & (told.status == DISCARD)
        self.floor = torch.where(lost, torch.fmin(self.floor, told.score), self.floor)
        gain = self.gain(start, told.score)
        # That it was kept says that it is better, whatever else is known.
        sure = (told.status == KEEP) & scored
        return torch.where(sure, gain.clamp(min=0.5), gain)

    def _credit(
        self, told: Told, taken: _Taken, scored: Tensor, failed: Tensor, gain: Tensor
    ) -> None:
        """Share the gain or the blame among the ways taken (a Kalman filter, diagonal)."""
        at, moved = taken.at(taken.ways), taken.moved
        count = moved.sum(1, keepdim=True).clamp(min=1)
        one = moved.float()
        self.tries.index_put_(at, one, accumulate=True)
        self.all_tries.index_put_(at, one, accumulate=True)
        win = (told.status == KEEP).float()[:, None]
        self.all_wins.index_put_(at, one * win, accumulate=True)
        veto = (told.status == VETO).float()[:, None]
        self.dislike.index_put_(at, one * veto / count, accumulate=True)
        suspect = (0.2 + self.blame[at] / self.tries[at].clamp(min=1)) * one
        suspect = suspect / suspect.sum(1, keepdim=True).clamp(min=1e-6)
        self.blame.index_put_(at, suspect * failed[:, None], accumulate=True)

        abort = told.status == ABORT
        learns = (scored & (told.status != VETO)) | abort
        mean, variance = self.mean[at] * one, self.variance[at] * one
        total = mean.sum(1)
        gain = torch.where(abort, torch.minimum(total, torch.full_like(gain, _HOPELESS)), gain)
        self.variance = torch.where(
            learns[:, None, None],
            (self.variance + _DRIFT).clamp(max=_VARIANCE),
            self.variance,
        )
        share = variance / (variance.sum(1, keepdim=True) + _SPREAD)
        share = share * learns.float()[:, None]
        surprise = (gain - total)[:, None]
        self.mean.index_put_(at, share * surprise, accumulate=True)
        self.variance.index_put_(at, -share * variance, accumulate=True)
        effect = torch.where(learns[:, None], gain[:, None].expand_as(one), self.effect[at])
        effect = torch.where(moved, effect, self.effect[at])
        self.effect.index_put_(at, effect - self.effect[at], accumulate=True)

    def _note_values(self, told: Told, taken: _Taken, scored: Tensor) -> None:
        at = taken.at(place(told.ends, taken.choices))
        one = taken.moved.float()
        lost = ~scored & (told.status != VETO)
        self.value_tries.index_put_(at, one, accumulate=True)
        self.value_fails.index_put_(at, one * lost.float()[:, None], accumulate=True)
        for move in range(one.shape[1]):  # one by one: an absent move must not undo another
            here = taken.moved[:, move] & scored
            where = tuple(index[here, move] for index in at)
            self.value_best[where] = torch.minimum(self.value_best[where], told.score[here])

    def _record(self, told: Told, taken: _Taken, scored: Tensor) -> None:
        rows = taken.rows
        slot = self.told % REMEMBERED
        base = torch.where(told.parent.isnan(), self.base(), told.parent)
        self.record_status[rows, slot] = told.status
        self.record_score[rows, slot] = torch.where(scored, told.score, torch.nan)
        self.record_parent[rows, slot] = base
        self.record_seconds[rows, slot] = told.seconds
        self.record_memory[rows, slot] = told.memory
        self.record_sites[rows, slot] = told.sites
        steps = torch.where(taken.choices > 0, told.ends, told.ends - told.starts)
        self.record_steps[rows, slot] = steps.clamp(-REACH, REACH)
        self.record_time[rows, slot] = self.told

    def _move(self, told: Told, taken: _Taken) -> None:
        """The incumbent has moved: going on promises more than going back; old failures go."""
        rows, sites, moved, ways, choices = taken
        for move in range(sites.shape[1]):
            here = moved[:, move]
            if not here.any():
                continue
            row, site, way = rows[here], sites[here, move], ways[here, move]
            ordered = choices[here, move] == 0
            self.position[row, site] = told.ends[here, move]
            mean, dislike = self.mean[row, site, way], self.dislike[row, site, way]
            for stat, value in (
                (self.mean, _MEAN),
                (self.variance, _VARIANCE),
                (self.tries, 0.0),
                (self.blame, 0.0),
                (self.dislike, 0.0),
            ):
                stat[row, site] = value
            self.mean[row, site, way] = (0.6 * mean).clamp(min=0.2)
            self.variance[row, site, way] = 0.5
            self.dislike[row, site, way] = dislike
            back = (1 - way).clamp(min=0)
            self.mean[row[ordered], site[ordered], back[ordered]] = -0.8
            self.variance[row[ordered], site[ordered], back[ordered]] = 0.3

    def state(self) -> dict[str, Tensor]:
        """Every tensor by name, the table's too."""
        own = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        table = {f"table.{f.name}": getattr(self.table, f.name) for f in fields(Table)}
        return own | table

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Board:
        """The board that `state` describes."""
        board = cls(Table(**{f.name: state[f"table.{f.name}"] for f in fields(Table)}))
        for name, value in state.items():
            if not name.startswith("table."):
                setattr(board, name, value.clone())
        return board
