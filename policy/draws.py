"""Random numbers for simulated studies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from policy.families import Family


class Draws:
    """Draws from one generator, for studies of given families."""

    def __init__(self, families: Sequence[Family], generator: torch.Generator) -> None:
        self.families = families
        self._g = generator

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Between low and high."""
        return low + (high - low) * torch.rand(*shape, generator=self._g)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        return torch.randn(*shape, generator=self._g)

    def sign(self, *shape: int) -> Tensor:
        """1.0 or -1.0."""
        return (self.uniform(*shape) < 0.5).float() * 2 - 1

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """Integers from low to below high."""
        return torch.randint(low, high, shape, generator=self._g)

    def order(self, b: int, n: int) -> Tensor:
        """A permutation of n in every row [b, n]."""
        return self.uniform(b, n).argsort(1)

    def per_study(self, name: str) -> Tensor:
        """A number of every study's family [B]; ranges are drawn from."""
        given = [getattr(family, name) for family in self.families]
        if isinstance(given[0], tuple):
            low, high = torch.tensor(given).unbind(1)
            return low + (high - low) * self.uniform(len(given))
        return torch.tensor(given, dtype=torch.float)
