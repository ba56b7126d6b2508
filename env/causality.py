"""Whether a model sees the future: its targets are its inputs shifted by one, so it must not.

Rows that have been scored are shown to a fresh model process again, with other text from a random
place on. Up to that place nothing has changed, so the predictions must not change either. A model
that used later tokens, or what it kept from earlier batches, predicts the last token before that
place worse than when it was scored.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from env.bpb import Predict, token_nats
from env.shards import Tokens

PLACES = 64  # at least so many are looked at
MOST_NATS = 0.01  # what an honest model may differ by on average; rounding makes far less


def gain_from_the_future(
    predict: Predict,
    rows: Tokens,
    batch_rows: int,
    scored: torch.Tensor,
    random: np.random.Generator,
) -> float:
    """Mean nats by which `scored` [n, T] beats the predictions where the future was altered.

    `rows` [n, T + 1] and `batch_rows` as they were scored; `predict` is a fresh model process.
    """
    if rows.shape[1] < 3:
        return 0.0  # one input: there is no future to see
    differences: list[torch.Tensor] = []
    while sum(len(part) for part in differences) < PLACES:
        start = batch_rows * int(random.integers(-(-len(rows) // batch_rows)))
        block = np.asarray(rows[start : start + batch_rows], dtype=np.int64)
        donors = np.asarray(rows[random.integers(len(rows), size=len(block))], dtype=np.int64)
        ids, cuts = _altered(block, donors, random)
        logits = predict(ids)
        each = torch.arange(len(block))
        places = torch.from_numpy(cuts)
        targets = torch.from_numpy(block[np.arange(len(block)), cuts + 1])
        probed = token_nats(logits[each, places], targets)
        differences.append(probed - scored[start : start + len(block)][each, places])
    return float(torch.cat(differences).double().mean())


def _altered(
    block: npt.NDArray[np.int64], donors: npt.NDArray[np.int64], random: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Inputs [B, T] that change after a place of each row, and the places [B]."""
    ids = block[:, :-1].copy()
    cuts = random.integers(ids.shape[1] - 1, size=len(ids))
    for row, cut in enumerate(cuts):
        ids[row, cut + 1 :] = donors[row, cut + 1 : -1]
        if ids[row, cut + 1] == block[row, cut + 1]:
            others = donors[donors != block[row, cut + 1]]
            ids[row, cut + 1] = random.choice(others) if len(others) else 0
    return ids, cuts
