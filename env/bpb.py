"""Validation bits per byte, the score.

val-bpb = (sum of cross-entropy in nats over the targets) / (ln 2 * sum of the targets' UTF-8
bytes). Special tokens have no bytes, and count in neither sum.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from env.shards import Tokens

Predict = Callable[[npt.NDArray[np.int64]], torch.Tensor]
"""Token ids [B, T] to un-normalised logits [B, T, V], on the CPU."""


@dataclass(frozen=True)
class Score:
    """The sums behind a score, over the targets that have bytes."""

    nats: float
    n_bytes: int
    token_nats: torch.Tensor  # float32 [rows, T], of every target

    @property
    def val_bpb(self) -> float:
        """Bits per byte. Raises ValueError when there is no text."""
        if self.n_bytes <= 0:
            raise ValueError("there are no bytes to score")
        return self.nats / (math.log(2) * self.n_bytes)


def score(
    predict: Predict, rows: Tokens, batch_rows: int, token_bytes: torch.Tensor, seed: int
) -> Score:
    """Score every row of `rows` [n, T + 1], at most `batch_rows` at a time, in an order by `seed`.

    Rows that follow each other in a text are so seldom neighbours. `token_bytes` [V] int64: the
    UTF-8 bytes of each token, 0 for special tokens.
    """
    tokens = torch.empty(len(rows), rows.shape[1] - 1)
    order = np.random.default_rng(seed).permutation(len(rows))
    for each in batches(order, batch_rows):
        block = np.asarray(rows[each], dtype=np.int64)
        tokens[each] = predicted_nats(predict, block[:, :-1], block[:, 1:])
    nats, n_bytes = 0.0, 0
    for row, each in zip(rows, tokens, strict=True):
        width = token_bytes[torch.from_numpy(row[1:].astype(np.int64))]
        nats += float(each[width > 0].double().sum())
        n_bytes += int(width.sum())
    return Score(nats, n_bytes, tokens)


def batches(order: npt.NDArray[np.int64], batch_rows: int) -> Iterator[npt.NDArray[np.int64]]:
    """Cut row numbers [n] into batches of one size; the last is filled up with first ones."""
    size = min(batch_rows, len(order))
    for start in range(0, len(order), size):
        each = order[start : start + size]
        yield np.concatenate([each, order[: size - len(each)]])


def predicted_nats(
    predict: Predict, ids: npt.NDArray[np.int64], targets: npt.NDArray[np.int64]
) -> torch.Tensor:
    """What a model is off by in nats, float32 [B, T], when shown `ids` [B, T] before `targets`."""
    logits = predict(np.ascontiguousarray(ids))
    return token_nats(logits, torch.from_numpy(np.ascontiguousarray(targets)))


def token_nats(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats, float32 [...], of logits [..., V] and targets [...] int64.

    The log-softmax is ours, so that it does not matter how the logits are normalised.
    """
    scores = logits.float()
    wanted = scores.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return torch.logsumexp(scores, dim=-1) - wanted


def load_token_bytes(path: str | os.PathLike[str]) -> torch.Tensor:
    """The table of an environment, as int64 [V]."""
    return torch.from_numpy(np.fromfile(path, dtype="<i4").astype(np.int64))
