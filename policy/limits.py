"""What fails in simulated studies: linear limits, divisibility, and values that always crash."""

from __future__ import annotations

import torch
from torch import Tensor

from policy.board import STATUSES
from policy.draws import Draws
from policy.moves import PLACES
from policy.stock import priors, role_mask
from policy.table import Table, place

_STATUS = tuple(STATUSES.index(name) for name in ("oom", "crash", "timeout"))
_CRASH = STATUSES.index("crash")
_OFTEN = (0.9, 0.7, 0.3)  # how many studies have a limit of memory, of divergence, of time
_PROPOSALS = 48  # naive ones, that the limits are set by
_LEAST = 0.3  # of room at the start
_NEVER = 1e6


class Limits:
    """Drawn for B scripts of S sites with given roles [B, S]."""

    def __init__(self, table: Table, roles: Tensor, draws: Draws) -> None:
        b, s = roles.shape
        k = len(_STATUS)
        ordered = ((table.choices == 0) & table.present).float()
        prior = priors().of(roles)
        steps = role_mask(("depth", "width", "batch", "length"))[roles]
        known = torch.stack((prior.load, prior.hot, steps), 1)
        stray = (draws.uniform(b, k, s) < 1.5 / s).float() * draws.sign(b, k, s)
        strength = draws.per_study("strength")[:, None, None]
        strange = (draws.uniform(b, k, 1) > strength + 0.3).float()
        weights = (1 - strange) * known + strange * stray
        self.a = weights * draws.uniform(b, k, s, low=0.5, high=1.5) * ordered[:, None]
        self.bound = torch.full((b, k), _NEVER)
        # The micro-batch must fit into the batch.
        micro = role_mask(("device batch",))[roles] * ordered
        batch = role_mask(("batch",))[roles] * ordered
        both = (micro.sum(1) > 0) & (batch.sum(1) > 0) & (draws.uniform(b) < 0.7)
        self.surplus = micro - batch
        self.room = torch.where(both, draws.uniform(b).mul(4).floor() + 0.5, torch.tensor(_NEVER))
        brittle = (draws.uniform(b, s) < 0.15)[..., None]
        bad = brittle & (draws.uniform(b, s, PLACES) < 0.35) & table.present[..., None]
        start = place(table.origin, table.choices)[..., None]
        self.bad = bad.scatter(2, start, torch.zeros_like(start, dtype=torch.bool))

    def calibrate(self, table: Table, draws: Draws) -> None:
        """Set the linear limits so that each turns down its share of naive proposals."""
        b, k = self.bound.shape
        loads = torch.stack(
            [self.loads(table.at(naive(table, draws))) for _ in range(_PROPOSALS)], -1
        )
        rate = torch.stack([draws.per_study("failing") for _ in range(k)], 1)
        rate = rate * (draws.uniform(b, k) < torch.tensor(_OFTEN)).float()
        rank = ((1 - rate) * (_PROPOSALS - 1)).long()[..., None]
        bound = loads.sort(-1).values.gather(-1, rank)[..., 0].clamp(min=_LEAST)
        used = (self.a.abs().sum(2) > 0) & (rate > 0)
        self.bound = torch.where(used, bound, torch.tensor(_NEVER))

    def loads(self, x: Tensor) -> Tensor:
        """What coordinates [B, S] ask of each limit [B, K]."""
        return torch.einsum("bks,bs->bk", self.a, x)

    def failure(self, x: Tensor, position: Tensor, table: Table) -> Tensor:
        """The status [B] of what fails, as an index into STATUSES; -1 for what trains."""
        over = self.loads(x) > self.bound
        failure = torch.full((len(x),), -1, dtype=torch.long)
        for limit, status in enumerate(_STATUS):
            failure = torch.where(over[:, limit], status, failure)
        failure = torch.where((self.surplus * x).sum(1) > self.room, _CRASH, failure)
        at = place(position, table.choices)[..., None]
        return torch.where(self.bad.gather(2, at)[..., 0].any(1), _CRASH, failure)


def naive(table: Table, draws: Draws) -> Tensor:
    """Positions [B, S] of naive proposals: one to three sites, one or two steps each."""
    b, s = table.low.shape
    chosen = draws.order(b, s).argsort(1) < draws.whole(1, 4, b, 1)
    step = draws.whole(1, 3, b, s) * draws.sign(b, s).long()
    straight = (table.origin + step).clamp(table.low, table.high)
    around = (table.origin + step.abs()) % table.choices.clamp(min=1)
    there = torch.where(table.choices > 0, around, straight)
    return torch.where(chosen & table.present, there, table.origin)
