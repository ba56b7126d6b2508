"""The noiseless score of simulated scripts, up to its unit.

With x the sites' natural coordinates (octaves, eighths of a ratio)

    f(x) = min over basins k of [ sum_e h_e phi((W x - c_k)_e) + d_k ] + sum of choices' costs

W holds a row per site (its optimum may move with other sites: a learning rate's with the batch) and
rows for combinations (a compute-optimal valley of depth and width, a preferred proportion); phi is
quadratic near 0, linear far away, steeper on one side, flat in the middle.
"""

from __future__ import annotations

import torch
from torch import Tensor

from policy.draws import Draws
from policy.knobs import COUPLED, RATES
from policy.moves import PLACES
from policy.stock import priors, role_mask
from policy.table import Table, place

COMBINATIONS = 5  # rows of W beside the sites' own
_STEEP = 2.0  # where a bowl that levels off does so
_NEVER = 1e6


class Landscape:
    """Drawn for B scripts of S sites with given roles [B, S]."""

    def __init__(self, table: Table, roles: Tensor, draws: Draws) -> None:
        self._draws, self._roles = draws, roles
        b, s = roles.shape
        self._ordered = ((table.choices == 0) & table.present).float()
        self._strength = draws.per_study("strength")[:, None]
        prior, strength = priors().of(roles), self._strength
        dull = (draws.uniform(b, s) < 0.15).float()
        height = prior.weight.pow(strength) * (0.8 * draws.normal(b, s)).exp()
        known = prior.offset + prior.spread * draws.normal(b, s)
        centre = strength * known + (1 - strength) * 1.3 * draws.normal(b, s)
        # What stands at the end of its range can only go one way, and often should not.
        for end, sign in ((table.low, 1), (table.high, -1)):
            stuck = (end == 0) & (draws.uniform(b, s) < 0.6)
            centre = torch.where(stuck, sign * centre.abs(), centre)
        slope = prior.slope.pow(strength) * (0.4 * draws.normal(b, s)).exp()
        self._slope = torch.cat((slope, (0.4 * draws.normal(b, COMBINATIONS)).exp()), 1)
        flat = prior.flat * draws.uniform(b, s)
        self._flat = torch.cat((flat, torch.zeros(b, COMBINATIONS)), 1)
        rows, centres, heights = self._combinations(b, s)
        self.w = torch.cat((self._couplings(b, s), rows), 1)  # [B, E, S]
        self._c = torch.cat((centre, centres), 1)
        self._h = torch.cat((height * (1 - dull) * self._ordered, heights), 1)
        self._power = draws.per_study("power")[:, None]
        self._saturation = draws.per_study("saturation")[:, None]
        self._draw_second_basin(b, s)
        # Choices: the default is good, others are mostly a little worse.
        cost = 0.5 * draws.normal(b, s, PLACES) + 0.4
        chooses = ((table.choices > 0) & table.present).float()
        cost = cost * (prior.weight * chooses * (1 - dull))[..., None]
        self.cost = cost.scatter(2, table.origin[..., None], 0.0)  # [B, S, P]

    def value(self, terms: Tensor, costs: Tensor) -> Tensor:
        """f, given W x as `terms` [B, (n,) E] and the choices' `costs` [B, (n)]."""
        broad = terms.dim() == 3

        def of(value: Tensor) -> Tensor:
            return value[:, None] if broad else value

        def total(centre: Tensor) -> Tensor:
            t: Tensor = terms - of(centre)
            size: Tensor = (t.abs() - of(self._flat)).clamp(min=0)
            size = torch.where(t > 0, size * of(self._slope), size)
            power = of(self._power)
            bowl = size.pow(power) / (1 + 0.3 * size.pow(power - 1))
            level = of(self._saturation)
            bowl = (1 - level) * bowl + level * _STEEP * (1 - torch.exp(-bowl / _STEEP))
            weighed: Tensor = bowl * of(self._h)
            return weighed.sum(-1)

        second = self._d2[:, None] if broad else self._d2
        return torch.minimum(total(self._c), total(self._c2) + second) + costs

    def terms(self, x: Tensor) -> Tensor:
        """W x [B, E]."""
        return torch.einsum("bes,bs->be", self.w, x)

    def costs(self, position: Tensor, table: Table) -> Tensor:
        """What the choices at these positions cost [B, S]."""
        at = place(position, table.choices)[..., None]
        return self.cost.gather(2, at)[..., 0]

    def second_basin(self) -> Tensor:
        """About where the sites are [B, S] in the middle of the second basin."""
        s = self.w.shape[2]
        own = self.w[:, :s] + 1e-3 * torch.eye(s)
        solved: Tensor = torch.linalg.solve(own, self._c2[:, :s, None])
        return solved[..., 0]

    def _with_role(self, *names: str) -> Tensor:
        return role_mask(names)[self._roles] * self._ordered

    def _draw_second_basin(self, b: int, s: int) -> None:
        """Coupled sites have to step together to reach it."""
        draws = self._draws
        coupled = self._with_role(*COUPLED)
        anywhere = (draws.uniform(b, s) < 0.2).float() * self._ordered
        known = (draws.uniform(b, 1) < self._strength).float()
        taking_part = known * coupled + (1 - known) * anywhere
        leap = taking_part * draws.uniform(b, s, low=0.7, high=2.0) * draws.sign(b, s)
        self._c2 = self._c + self.terms(leap)
        second = draws.uniform(b) < draws.per_study("basins")
        self._d2 = torch.where(second, 0.4 * draws.normal(b) - 0.2, torch.tensor(_NEVER))

    def _couplings(self, b: int, s: int) -> Tensor:
        """A row per site: 1 on its own coordinate, and how its optimum moves with others."""
        draws, ordered = self._draws, self._ordered
        rates, batch = self._with_role(*RATES), self._with_role("batch")
        big = self._with_role("width", "aspect", "depth")
        known = -0.4 * rates[:, :, None] * batch[:, None] + 0.3 * rates[:, :, None] * big[:, None]
        known = known * draws.uniform(b, s, s, low=0.2, high=1.6)
        density = draws.per_study("coupling")[:, None, None] / s
        free = 0.6 * draws.normal(b, s, s) * (draws.uniform(b, s, s) < density).float()
        off = self._strength[..., None] * known + free
        off = off * (1 - torch.eye(s)) * ordered[:, :, None] * ordered[:, None]
        return off + torch.diag_embed(ordered + (1 - ordered) * 1e-3)

    def _combinations(self, b: int, s: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of W for combinations of sites, their centres and heights."""
        draws = self._draws
        rows = torch.zeros(b, COMBINATIONS, s)
        depth, width = self._with_role("depth"), self._with_role("width", "aspect")
        rows[:, 0] = depth + 1.5 * width  # compute-optimal: too small, or too few steps
        rows[:, 1] = width - depth  # proportion
        rows[:, 2] = depth + width + 0.7 * self._with_role("batch")  # the steps that fit in
        for row in range(3, COMBINATIONS):
            rows[:, row] = (draws.uniform(b, s) < 2.0 / s).float() * draws.sign(b, s)
        # With a weak prior the same shapes stand over other sites.
        strange = draws.uniform(b, 1) > self._strength
        at = torch.where(strange, draws.order(b, s), torch.arange(s))
        rows = rows.gather(2, at[:, None].expand(-1, COMBINATIONS, -1)) * self._ordered[:, None]
        centres = 0.7 * draws.normal(b, COMBINATIONS)
        centres[:, 2] -= 0.4
        heights = 0.8 * draws.normal(b, COMBINATIONS).exp()
        heights = heights * (draws.uniform(b, COMBINATIONS) < 0.7).float()
        return rows, centres, heights * (rows.abs().sum(2) > 1).float()
