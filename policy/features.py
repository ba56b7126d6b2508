"""The network's input, made from a board: numbers of about unit size, and which moves there are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from policy.board import MOVES, REMEMBERED, STATUSES, Board
from policy.moves import PLACES, REACH, STATIC_FEATURES, STEPS, WAYS
from policy.table import Moves, place, reachable

BIN_FEATURES = 19
_ONE_DOWN, _ONE_UP = STEPS.index(-1), STEPS.index(1)
SITE_FEATURES = STATIC_FEATURES + 8 + 2 * BIN_FEATURES
RECORD_FEATURES = len(STATUSES) + 9
STUDY_FEATURES = 10
STEP_BUCKETS = 2 * REACH + 1
_LONG = 100  # experiments: a study of ordinary length


class Observation(NamedTuple):
    """What the network sees of B studies with S sites, K remembered experiments."""

    sites: Tensor  # [B, S, SITE_FEATURES]
    bins: Tensor  # [B, S, BINS, BIN_FEATURES]
    valid: Tensor  # [B, S, BINS] bool: there is such a move
    present: Tensor  # [B, S] bool
    records: Tensor  # [B, K, RECORD_FEATURES]
    record_sites: Tensor  # [B, K, MOVES] -1 where there are fewer moves
    record_steps: Tensor  # [B, K, MOVES] 0..STEP_BUCKETS - 1
    recorded: Tensor  # [B, K] bool
    study: Tensor  # [B, STUDY_FEATURES]

    def pick(self, index: Tensor) -> Observation:
        """The observations of some studies."""
        return Observation(*(part[index] for part in self))


def moves(board: Board) -> Moves:
    """All moves from the incumbent."""
    return reachable(board.table, board.position)


def observe(board: Board, left: Tensor) -> Observation:
    """The observation of a board; `left` [B] is experiments to come, nan where nobody knows."""
    table, possible = board.table, moves(board)
    bins = _bins(board, possible)
    records, recorded = _records(board)
    here = board.position.float()
    origin = table.origin.float()
    coordinate = _coordinate(board, board.position[..., None])[..., 0]
    ordered = (table.choices == 0).float()
    own = torch.stack(
        (
            ordered * (here - origin) / 4,
            (here != origin).float(),
            ordered * ((here - table.low) / 4).clamp(max=1.5),
            ordered * ((table.high - here) / 4).clamp(max=1.5),
            coordinate / 4,
            board.all_tries.sum(-1).log1p() / 2,
            board.all_wins.sum(-1).log1p() / 2,
            possible.valid.float().mean(-1),
        ),
        -1,
    )
    near = bins[:, :, (_ONE_DOWN, _ONE_UP)].flatten(2)
    sites = torch.cat((table.static, own, near), -1)
    return Observation(
        sites=sites,
        bins=bins,
        valid=possible.valid,
        present=table.present.clone(),
        records=records,
        record_sites=board.record_sites.clone(),
        record_steps=board.record_steps + REACH,
        recorded=recorded,
        study=_study(board, left),
    )


def _coordinate(board: Board, position: Tensor) -> Tensor:
    """Natural coordinates of positions [B, S, n]."""
    at = place(position, board.table.choices[..., None])
    return board.table.coordinates.gather(-1, at)


def _bins(board: Board, possible: Moves) -> Tensor:
    table = board.table
    choices = table.choices[..., None]
    ends = possible.ends
    here = board.position[..., None]
    ways = torch.where(choices > 0, ends.clamp(max=WAYS - 1), (ends > here).long())
    at = place(ends, choices)

    def way(stat: Tensor) -> Tensor:
        return stat.gather(-1, ways)

    tries, wins = way(board.all_tries), way(board.all_wins)
    value_tries = board.value_tries.gather(-1, at)
    best = board.value_best.gather(-1, at)
    known = best.isfinite()
    base = board.base()[:, None, None].expand_as(best)
    relative = board.gain(base.flatten(1), best.flatten(1)).view_as(best)
    leap = _coordinate(board, ends) - _coordinate(board, here)
    edge = (ends == table.low[..., None]) | (ends == table.high[..., None])
    steps = torch.tensor(STEPS, device=ends.device).expand_as(ends)
    parts = (
        way(board.mean) / 2,
        way(board.variance).clamp(min=0).sqrt(),
        way(board.tries).log1p() / 2,
        way(board.blame) / (way(board.tries) + 1),
        way(board.dislike).clamp(max=3) / 2,
        way(board.effect) / 3,
        tries.log1p() / 2,
        wins / (tries + 1),
        value_tries.log1p() / 2,
        board.value_fails.gather(-1, at) / (value_tries + 1),
        torch.where(known, relative, 0.0) / 4,
        known.float(),
        leap / 4,
        leap.abs() / 4,
        (ends == table.origin[..., None]).float(),
        edge.float(),
        torch.where(choices > 0, 0, steps.abs() - 1).float() / 3,
        torch.where(choices > 0, 0, steps.sign()).float(),
        (choices > 0).expand_as(ends).float(),
    )
    return torch.stack(parts, -1) * possible.valid[..., None]


def _records(board: Board) -> tuple[Tensor, Tensor]:
    recorded = board.record_status >= 0
    status = torch.nn.functional.one_hot(board.record_status.clamp(min=0), len(STATUSES)).float()
    gain = board.gain(board.record_parent, board.record_score)
    base = board.base()[:, None].expand_as(board.record_score)
    behind = board.gain(base, board.record_score)
    age = (board.told[:, None] - board.record_time).float()
    own = torch.stack(
        (
            gain / 3,
            board.record_score.isfinite().float(),
            behind / 3,
            *_relative(board.record_seconds),
            *_relative(board.record_memory),
            age / REMEMBERED,
            (age <= board.since[:, None]).float(),
        ),
        -1,
    )
    return torch.cat((status, own), -1) * recorded[..., None], recorded


def _relative(amount: Tensor) -> tuple[Tensor, Tensor]:
    """log2 of an amount [B, K] over the study's median, and whether it is known."""
    known = amount > 0
    usual = torch.where(known, amount, torch.nan).nanmedian(1, keepdim=True).values
    ratio = torch.where(known, amount / usual, 1.0).clamp(1e-3, 1e3).log2()
    return ratio.clamp(-4, 4) / 2, known.float()


def _study(board: Board, left: Tensor) -> Tensor:
    told = board.told.float()
    progress = board.gain(board.first, board.base())
    unknown = left.isnan().float()
    return torch.stack(
        (
            told.log1p() / 4,
            (told / _LONG).clamp(max=3),
            board.since.float().log1p() / 3,
            board.kept.float().log1p() / 2,
            board.failed * 2,
            progress / 4,
            (board.noise > 0).float(),
            board.table.present.sum(1).clamp(min=1).float().log2() / 4,
            (left / _LONG).nan_to_num(0.0).clamp(max=3),
            unknown,
        ),
        -1,
    )


def sizes() -> dict[str, int]:
    """The widths of the network's inputs, for the check that weights fit them."""
    return {
        "sites": SITE_FEATURES,
        "bins": BIN_FEATURES,
        "records": RECORD_FEATURES,
        "study": STUDY_FEATURES,
        "places": PLACES,
        "moves": MOVES,
    }
