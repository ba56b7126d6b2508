"""The library of knobs as tensors, to draw many simulated scripts from at once."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from policy.knobs import ROLES, Knob, library

_COLUMNS = ("static", "coordinates", "low", "high", "origin", "choices")
_PRIORS = ("weight", "offset", "spread", "slope", "flat", "load", "hot")


class Stock(NamedTuple):
    """A row per knob, those with names first, then by role."""

    static: Tensor
    coordinates: Tensor
    low: Tensor
    high: Tensor
    origin: Tensor
    choices: Tensor
    ranges: Tensor  # [2 (named, nameless), roles, 2 (first row, rows)]
    knobs: tuple[Knob, ...]


@cache
def stock() -> Stock:
    """The whole library."""
    knobs = sorted(library(), key=lambda knob: (not knob.named, knob.role))
    ranges = torch.zeros(2, len(ROLES), 2, dtype=torch.long)
    for row, knob in enumerate(knobs):
        cell = ranges[int(not knob.named), knob.role]
        if cell[1] == 0:
            cell[0] = row
        cell[1] += 1
    columns = {name: torch.tensor([getattr(k.view, name) for k in knobs]) for name in _COLUMNS}
    return Stock(**columns, ranges=ranges, knobs=tuple(knobs))


class Priors(NamedTuple):
    """What roles do, [roles] each: the fields of `policy.knobs.Role`."""

    weight: Tensor
    offset: Tensor
    spread: Tensor
    slope: Tensor
    flat: Tensor
    load: Tensor
    hot: Tensor

    def of(self, roles: Tensor) -> Priors:
        """The same for roles [B, S]."""
        return Priors(*(column[roles] for column in self))


@cache
def priors() -> Priors:
    """All roles."""
    return Priors(*(torch.tensor([getattr(role, name) for role in ROLES]) for name in _PRIORS))


@cache
def role_mask(names: tuple[str, ...]) -> Tensor:
    """1.0 for the roles of these names [roles]."""
    return torch.tensor([float(role.name in names) for role in ROLES])
