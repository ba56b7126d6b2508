"""Simulated studies: many at once, in tensors, behaving like training under a fixed time budget.

Each study is a random landscape (`policy.landscape`) with cliffs (`policy.limits`) over the sites
of a made-up script. Scores are in units of the noise's standard deviation, and 0 is the script as
given. Nothing here was fitted to a real training run: see docs/policy.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from policy.draws import Draws
from policy.families import Family
from policy.knobs import ROLES
from policy.landscape import Landscape
from policy.limits import Limits
from policy.moves import NAME_FEATURES, REACH, View
from policy.stock import stock
from policy.table import Table, place, reachable

_GAINS = (10.0, 100.0)  # the best reachable gain in sigma, log-uniform
_ROUNDS = 24  # of the search for the best configuration
_WORST = 1e9


class Result(NamedTuple):
    """The noiseless scores [B] in sigma, and the status [B] of what fails; -1 where it trains."""

    score: Tensor
    failure: Tensor


class Studies:
    """B simulated studies of up to S sites each, one for each of the families given."""

    def __init__(self, families: Sequence[Family], sites: int, generator: torch.Generator) -> None:
        self._draws = draws = Draws(families, generator)
        b, s = len(families), sites
        self.roles = self._draw_roles(b, s)
        self.knobs = self._draw_knobs(b, s)  # rows of the stock
        self.dealt = self._deal_names(b, s)  # whose name each site has
        present = draws.uniform(b, s) < 0.9
        present[:, :2] = True
        known = stock()
        names = known.static[self.knobs.gather(1, self.dealt)][..., :NAME_FEATURES]
        static = torch.cat((names, known.static[self.knobs][..., NAME_FEATURES:]), -1)
        columns = ("coordinates", "low", "high", "origin", "choices")
        self.table = Table(
            static=static,
            present=present,
            **{name: getattr(known, name)[self.knobs] for name in columns},
        )
        self._landscape = Landscape(self.table, self.roles, draws)
        self._limits = Limits(self.table, self.roles, draws)
        self.heavy = draws.uniform(b) < draws.per_study("heavy")  # Student's t noise
        low, high = torch.tensor(_GAINS).log().tolist()
        self._gain = draws.uniform(b, low=low, high=high).exp()
        self._settle()

    def stand_on(self, views: Mapping[int, View]) -> None:
        """Put other lattices under the sites of a single study, by row: a real script's."""
        for row, view in views.items():
            for name in View._fields:
                column = getattr(self.table, name)
                column[0, row] = torch.tensor(getattr(view, name))
        self._settle()

    def evaluate(self, position: Tensor) -> Result:
        """The truth about positions [B, S]."""
        x = self.table.at(position)
        score = self._raw(position, x) * self._unit - self._zero
        return Result(score, self._limits.failure(x, position, self.table))

    def _raw(self, position: Tensor, x: Tensor) -> Tensor:
        land = self._landscape
        return land.value(land.terms(x), land.costs(position, self.table).sum(1))

    def _draw_roles(self, b: int, s: int) -> Tensor:
        """The role of every site, none twice in a study."""
        often = torch.tensor([role.often for role in ROLES]).clamp(max=0.97)
        luck = self._draws.uniform(b, len(ROLES)).clamp(1e-6, 1 - 1e-6)
        # Gumbel's trick on the odds, so that common roles are nearly always there.
        order = (torch.logit(often) - (-luck.log()).log()).topk(s, dim=1).indices
        return order.gather(1, self._draws.order(b, s))

    def _draw_knobs(self, b: int, s: int) -> Tensor:
        nameless = (self._draws.uniform(b) < self._draws.per_study("nameless")).long()
        first, count = stock().ranges[nameless[:, None], self.roles].unbind(-1)
        return first + (self._draws.uniform(b, s) * count).long()

    def _deal_names(self, b: int, s: int) -> Tensor:
        """Every site's own name, or the wrong one where the family says so."""
        draws = self._draws
        wrong = draws.uniform(b) < draws.per_study("wrong")
        swap = (draws.uniform(b, s) < 0.8) & wrong[:, None]
        return torch.where(swap, draws.order(b, s), torch.arange(s))

    def _settle(self) -> None:
        """Set the limits and the unit of the score, for the table as it is."""
        self._limits.calibrate(self.table, self._draws)
        b = len(self.table.low)
        self._unit, self._zero = torch.ones(b), torch.zeros(b)
        first = self.evaluate(self.table.origin).score
        found = [self.evaluate(self._descend(start)).score for start in self._starts()]
        best = torch.stack(found).amin(0)
        self._unit = self._gain / (first - best).clamp(min=0.05)
        self._zero = first * self._unit
        self.best = (best - first) * self._unit  # [B] of the best configuration found

    def _starts(self) -> tuple[Tensor, Tensor]:
        """Where to search from: the script as given, and the second basin, if that trains."""
        table = self.table
        goal = self._landscape.second_basin()[..., None]
        nearest = (table.coordinates - goal).abs().argmin(2) - REACH
        inside = torch.maximum(torch.minimum(nearest, table.high), table.low)
        movable = (table.choices == 0) & table.present
        second = torch.where(movable, inside, table.origin)
        fits = self._limits.failure(table.at(second), second, table) < 0
        return table.origin, torch.where(fits[:, None], second, table.origin)

    def _descend(self, position: Tensor) -> Tensor:
        """Coordinate descent over single moves."""
        position = position.clone()
        rows = torch.arange(len(position))
        for _ in range(_ROUNDS):
            ends, valid = reachable(self.table, position)
            value = self._after(position, ends).masked_fill(~valid, _WORST).flatten(1)
            lowest, move = value.min(1)
            better = lowest < self._raw(position, self.table.at(position)) - 1e-6
            if not better.any():
                break
            site = move // ends.shape[2]
            place_ = ends.flatten(1)[rows, move]
            position[rows[better], site[better]] = place_[better]
        return position

    def _after(self, position: Tensor, ends: Tensor) -> Tensor:
        """f after each single move to `ends` [B, S, n]; what fails is as bad as can be."""
        table, land, limits = self.table, self._landscape, self._limits
        x = table.at(position)
        at = place(ends, table.choices[..., None])
        delta = table.coordinates.gather(2, at) - x[..., None]

        def after(now: Tensor, weights: Tensor) -> Tensor:
            """Linear sums [B, S, n, rows] after the moves, given those before."""
            return now[:, None, None] + delta[..., None] * weights.transpose(1, 2)[:, :, None]

        costs = land.costs(position, table)
        extra = costs.sum(1)[:, None, None] + land.cost.gather(2, at) - costs[..., None]
        terms = after(land.terms(x), land.w).flatten(1, 2)
        value = land.value(terms, extra.flatten(1)).view_as(delta)
        fails = (after(limits.loads(x), limits.a) > limits.bound[:, None, None]).any(-1)
        surplus = (limits.surplus * x).sum(1)[:, None, None] + limits.surplus[..., None] * delta
        fails = fails | limits.bad.gather(2, at) | (surplus > limits.room[:, None, None])
        return value.masked_fill(fails, _WORST)
