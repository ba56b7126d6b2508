"""Deterministic training batches: rows of the train shard in an order that a seed fixes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from env.shards import Tokens


def row_order(n_rows: int, seed: int) -> Iterator[int]:
    """Row numbers for ever: each pass over the shard is a permutation of its own."""
    if n_rows <= 0:
        raise ValueError("the train shard has no rows")
    epoch = 0
    while True:
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
        yield from generator.permutation(n_rows).tolist()
        epoch += 1


class Batches:
    """Cuts an endless row order into batches. One per trial: every `take` goes on in it."""

    def __init__(self, rows: Tokens, seed: int) -> None:
        """`rows` [n_rows, seq_len + 1] token ids."""
        self._rows = rows
        self._order = row_order(len(rows), seed)

    def take(self, batch_size: int) -> npt.NDArray[np.int64]:
        """The next `batch_size` rows, [batch_size, seq_len + 1] int64."""
        picked = [next(self._order) for _ in range(batch_size)]
        return np.asarray(self._rows[picked], dtype=np.int64)
