"""Validation bits per byte, the score.

val-bpb = (sum of cross-entropy in nats over the targets) / (ln 2 * sum of the targets' UTF-8
bytes). Special tokens have no bytes, and count in neither sum.

numpy alone: importing torch would cost the scorer more time than all of its sums.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from env.shards import Tokens

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Predict = Callable[[Ids], Floats]
"""Token ids [B, T] to un-normalised logits [B, T, V]."""

_BLOCK = 1 << 19  # logits at a time: what a processor's own cache holds


@dataclass(frozen=True)
class Score:
    """The sums behind a score, over the targets that have bytes."""

    nats: float
    n_bytes: int
    token_nats: Floats  # [rows, T], of every target

    @property
    def val_bpb(self) -> float:
        """Bits per byte. Raises ValueError when there is no text."""
        if self.n_bytes <= 0:
            raise ValueError("there are no bytes to score")
        return self.nats / (math.log(2) * self.n_bytes)


def score(predict: Predict, rows: Tokens, batch_rows: int, token_bytes: Ids, seed: int) -> Score:
    """Score every row of `rows` [n, T + 1], at most `batch_rows` at a time, in an order by `seed`.

    Rows that follow each other in a text are so seldom neighbours. `token_bytes` [V]: the UTF-8
    bytes of each token, 0 for special tokens.
    """
    tokens = np.empty((len(rows), rows.shape[1] - 1), dtype=np.float32)
    order = np.random.default_rng(seed).permutation(len(rows))
    for each in batches(order, batch_rows):
        block = np.asarray(rows[each], dtype=np.int64)
        tokens[each] = predicted_nats(predict, block[:, :-1], block[:, 1:])
    nats, n_bytes = 0.0, 0
    for row, each in zip(rows, tokens, strict=True):
        width = token_bytes[row[1:]]
        nats += float(each[width > 0].sum(dtype=np.float64))
        n_bytes += int(width.sum())
    return Score(nats, n_bytes, tokens)


def batches(order: Ids, batch_rows: int) -> Iterator[Ids]:
    """Cut row numbers [n] into batches of one size; the last is filled up with first ones."""
    size = min(batch_rows, len(order))
    for start in range(0, len(order), size):
        each = order[start : start + size]
        yield np.concatenate([each, order[: size - len(each)]])


def predicted_nats(predict: Predict, ids: Ids, targets: Ids) -> Floats:
    """What a model is off by in nats [B, T], when shown `ids` [B, T] before `targets`."""
    return token_nats(predict(np.ascontiguousarray(ids)), targets)


def token_nats(logits: Floats, targets: Ids) -> Floats:
    """Cross-entropy in nats [...] of logits [..., V] and targets [...].

    The log-softmax is ours, so that it does not matter how the logits are normalised.
    """
    flat = logits.reshape(-1, logits.shape[-1])
    wanted = targets.reshape(-1)
    nats = np.empty(len(flat), dtype=np.float32)
    size = max(1, _BLOCK // flat.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):  # whoever sums them refuses what is absurd
        for start in range(0, len(flat), size):
            block = flat[start : start + size]
            top = block.max(axis=1, keepdims=True)
            own = np.take_along_axis(block, wanted[start : start + size, None], axis=1)
            scale = np.log(np.exp(block - top).sum(axis=1, keepdims=True))
            nats[start : start + size] = (scale + (top - own))[:, 0]
    return nats.reshape(targets.shape)


def load_token_bytes(path: str | os.PathLike[str]) -> Ids:
    """The table of an environment, [V]."""
    return np.fromfile(path, dtype="<i4").astype(np.int64)
