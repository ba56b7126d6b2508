"""What the name of a printed number says: whether it is a score, and which way is better."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["min", "max"]

_LESS_IS_BETTER = """
    loss bpb bpc bpt ppl perplexity err error rmse mse mae mape nll wer cer ter fid ce crossentropy
    entropy kl regret cost brier ece
"""
_MORE_IS_BETTER = """
    acc accuracy f1 auc auroc auprc ap map bleu rouge meteor chrf reward return score r2 recall
    precision dice iou miou psnr ssim ndcg mrr top1 top5 em win winrate success elo elbo likelihood
    sharpe
"""
_HELD_OUT = "val valid validation eval evaluation test dev holdout heldout"
_NO_SCORES = """
    time sec secs seconds minutes hours ms dt eta step steps epoch epochs iter iters iteration
    iterations lr lrm rate params parameters token tokens tok memory mem mb mib gb gib vram mfu
    batch size depth seed device version config flops norm grad progress percent remaining speed
    throughput samples count wd momentum
"""

_LESS, _MORE = frozenset(str.split(_LESS_IS_BETTER)), frozenset(str.split(_MORE_IS_BETTER))
_UNSEEN, _NEVER = frozenset(str.split(_HELD_OUT)), frozenset(str.split(_NO_SCORES))


def words(name: str) -> list[str]:
    """The words of a name in lower case: `valLoss`, `val/loss` and `Val loss` have the same."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", parted.lower()) if word]


def direction(name: str) -> Direction | None:
    """Which way is better; None where the name does not say. The last word that says it counts."""
    for word in reversed(words(name)):
        if word in _LESS:
            return "min"
        if word in _MORE:
            return "max"
    return None


def is_score(name: str) -> bool:
    """Whether it could be a score at all: not a time, a count or a setting."""
    found = words(name)
    return bool(found) and (direction(name) is not None or not _NEVER.intersection(found))


def is_held_out(name: str) -> bool:
    """Whether it says that it is about data that training has not seen."""
    return bool(_UNSEEN.intersection(words(name)))


def is_training(name: str) -> bool:
    """Whether it says that it is about the training data."""
    return "train" in words(name) or "training" in words(name)


def is_memory_mb(name: str) -> bool:
    """Whether it is a peak of memory in MB or MiB."""
    found = set(words(name))
    memory = found & {"vram", "memory", "mem"}
    return bool(memory) and bool(found & {"mb", "mib"})
