"""The sites of one real script on a board: which row is which site, and where the incumbent stands.

A site keeps its row while it is away (an edit may remove it) and its positions count from the value
that it had when it was first seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from policy.board import Board
from policy.moves import PLACES, STATIC_FEATURES, View, destination, position, view
from policy.table import Table
from target.literal import Value
from target.sites import Site, find_sites


class Roster:
    """Names the rows of a board of one study."""

    def __init__(self, sites: Iterable[Site]) -> None:
        """The sites of a script as given."""
        self._given = {site.id: site for site in sites}

    def state(self) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [asdict(site) for site in self._given.values()]

    @classmethod
    def from_state(cls, state: Iterable[Mapping[str, Any]]) -> Roster:
        """The roster that `state` describes."""
        lists = ("choices", "operations")
        return cls(Site(**{**site, **{n: tuple(site[n]) for n in lists}}) for site in state)

    @property
    def rows(self) -> dict[str, int]:
        """The row of every site by its id."""
        return {name: row for row, name in enumerate(self._given)}

    def board(self) -> Board:
        """A new board with every site at the value given."""
        return Board(_table([view(site) for site in self._given.values()]))

    def enlist(self, source: str, board: Board) -> Board:
        """Take in sites that are new, and mark those that are away; a larger board if need be."""
        sites = find_sites(source)
        for site in sites:
            self._given.setdefault(site.id, site)
        missing = len(self._given) - board.table.present.shape[1]
        if missing > 0:
            board = _grown(board, _table([view(s) for s in self._given.values()]))
        here = {site.id for site in sites}
        board.table.present[0] = torch.tensor([name in here for name in self._given])
        return board

    def positions(self, source: str) -> dict[int, int]:
        """The position of every site that the source has, by row."""
        rows = self.rows
        return {
            rows[site.id]: position(self._given[site.id], site.value)
            for site in find_sites(source)
            if site.id in rows
        }

    def value(self, row: int, place: int) -> tuple[str, Value | None]:
        """A site's id, and the value that it has at a position."""
        site = tuple(self._given.values())[row]
        return site.id, destination(site, place)


def _table(views: list[View]) -> Table:
    def column(name: str) -> Tensor:
        return torch.tensor([[getattr(v, name) for v in views]])

    table = Table(
        **{name: column(name) for name in ("static", "coordinates", "low", "high")},
        origin=column("origin"),
        choices=column("choices"),
        present=torch.ones(1, len(views), dtype=torch.bool),
    )
    assert table.static.shape[2] == STATIC_FEATURES
    assert table.coordinates.shape[2] == PLACES
    return table


def _grown(board: Board, table: Table) -> Board:
    """The board with more rows, what it knew kept."""
    larger = Board(table)
    for name, value in board.state().items():
        if name.startswith("table."):
            continue
        fresh = getattr(larger, name)
        if fresh.shape == value.shape:
            setattr(larger, name, value)
        else:
            fresh[:, : value.shape[1]] = value
    return larger
