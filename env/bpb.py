"""Validation bits per byte, the score.

val-bpb = (sum of cross-entropy in nats over the targets) / (ln 2 * sum of the targets' UTF-8
bytes). Special tokens have no bytes, and count in neither sum.
"""

from __future__ import annotations

import math

import torch


def nats_and_bytes(
    logits: torch.Tensor, targets: torch.Tensor, token_bytes: torch.Tensor
) -> tuple[float, int]:
    """Cross-entropy in nats and UTF-8 bytes, each summed over the targets that have bytes.

    `logits` [..., V] of any float type, un-normalised; `targets` [...] int64; `token_bytes` [V]
    int, 0 for special tokens. The log-softmax is ours, in float32, summed in float64.
    """
    width = token_bytes[targets]
    counted = width > 0
    scores = logits[counted].float()
    wanted = targets[counted]
    nll = torch.logsumexp(scores, dim=-1) - scores.gather(-1, wanted.unsqueeze(-1)).squeeze(-1)
    return float(nll.double().sum()), int(width.sum())


def bits_per_byte(nats: float, n_bytes: int) -> float:
    """Bits per byte from a sum of nats over `n_bytes` bytes of text."""
    if n_bytes <= 0:
        raise ValueError("there are no bytes to score")
    return nats / (math.log(2) * n_bytes)
