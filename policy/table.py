"""The sites of many studies in tensors, and where moves lead from a position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from policy.moves import BINS, PLACES, REACH, STEPS


@dataclass
class Table:
    """The sites of B studies: `policy.moves.View` in tensors, padded to S sites."""

    static: Tensor  # [B, S, STATIC_FEATURES]
    coordinates: Tensor  # [B, S, P]
    low: Tensor  # [B, S], as all below
    high: Tensor
    origin: Tensor
    choices: Tensor
    present: Tensor  # bool: padding is absent, and so is a site that an edit has removed

    def at(self, position: Tensor) -> Tensor:
        """The natural coordinates of positions [B, S]."""
        where = place(position, self.choices)[..., None]
        return self.coordinates.gather(2, where)[..., 0]


def place(position: Tensor, choices: Tensor) -> Tensor:
    """The index of a position among P places."""
    return torch.where(choices > 0, position, position + REACH).clamp(0, PLACES - 1)


class Moves(NamedTuple):
    """Where every move of every site would lead, [B, S, BINS] each."""

    ends: Tensor  # positions
    valid: Tensor


def reachable(table: Table, position: Tensor) -> Moves:
    """All moves from positions [B, S]."""
    here, choices = position[..., None], table.choices[..., None]
    straight = here + torch.tensor(STEPS, device=position.device)
    hops = torch.arange(1, BINS + 1, device=position.device)
    around = (here + hops) % choices.clamp(min=1)
    inside = (straight >= table.low[..., None]) & (straight <= table.high[..., None])
    valid = torch.where(choices > 0, hops < choices, inside) & table.present[..., None]
    return Moves(torch.where(choices > 0, around, straight), valid)
