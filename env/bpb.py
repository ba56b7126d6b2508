"""Validation bits per byte, the score.

val-bpb = (sum of cross-entropy in nats over the targets) / (ln 2 * sum of the targets' UTF-8
bytes). Special tokens have no bytes, and count in neither sum.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
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


def score(predict: Predict, rows: Tokens, batch_rows: int, token_bytes: torch.Tensor) -> Score:
    """Score every row of `rows` [n, T + 1], at most `batch_rows` at a time.

    `token_bytes` [V] int64: the UTF-8 bytes of each token, 0 for special tokens.
    """
    nats, n_bytes = 0.0, 0
    tokens: list[torch.Tensor] = []
    for start in range(0, len(rows), batch_rows):
        block = np.asarray(rows[start : start + batch_rows], dtype=np.int64)
        targets = torch.from_numpy(np.ascontiguousarray(block[:, 1:]))
        each = token_nats(predict(np.ascontiguousarray(block[:, :-1])), targets)
        width = token_bytes[targets]
        nats += float(each[width > 0].double().sum())
        n_bytes += int(width.sum())
        tokens.append(each)
    return Score(nats, n_bytes, torch.cat(tokens))


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
