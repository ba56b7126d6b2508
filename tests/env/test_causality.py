import numpy as np
import numpy.typing as npt
import pytest
import torch

from env.bpb import Predict, score
from env.causality import MOST_NATS, gain_from_the_future

ROWS = np.random.default_rng(0).integers(1, 50, size=(24, 17)).astype(np.uint16)
WIDTHS = torch.ones(50, dtype=torch.int64)
TABLE = torch.randn(50, 50, generator=torch.Generator().manual_seed(1))


def gain(scoring: Predict, probing: Predict, seed: int = 0, batch_rows: int = 7) -> float:
    scored = score(scoring, ROWS, batch_rows, WIDTHS).token_nats
    random = np.random.default_rng(seed)
    return gain_from_the_future(probing, ROWS, batch_rows, scored, random)


def bigram(ids: npt.NDArray[np.int64]) -> torch.Tensor:
    return TABLE[torch.from_numpy(ids)]


def prefix(ids: npt.NDArray[np.int64]) -> torch.Tensor:
    """Causal and with a long memory: the mean over all tokens so far."""
    each = TABLE[torch.from_numpy(ids)]
    return each.cumsum(1) / torch.arange(1, ids.shape[1] + 1).view(1, -1, 1)


def peeking(ids: npt.NDArray[np.int64], ahead: int = 1, strength: float = 9.0) -> torch.Tensor:
    logits = bigram(ids)
    seen = torch.roll(torch.from_numpy(ids), -ahead, dims=1)
    logits[:, :-ahead] += strength * torch.nn.functional.one_hot(seen, 50)[:, :-ahead]
    return logits


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("model", [bigram, prefix])
def test_a_causal_model_gains_nothing(model: Predict, seed: int) -> None:
    assert gain(model, model, seed) == 0.0


@pytest.mark.parametrize("batch_rows", [1, 7, 24, 64])
def test_a_model_that_sees_the_next_token_is_found(batch_rows: int) -> None:
    assert gain(peeking, peeking, batch_rows=batch_rows) > 1


@pytest.mark.parametrize("seed", range(5))
def test_a_weak_and_a_rare_leak_are_found(seed: int) -> None:
    def weak(ids: npt.NDArray[np.int64]) -> torch.Tensor:
        return peeking(ids, strength=0.1)

    def rare(ids: npt.NDArray[np.int64]) -> torch.Tensor:
        leaks = torch.from_numpy(ids)[..., None] % 4 == 0
        return torch.where(leaks, peeking(ids), bigram(ids))

    assert gain(weak, weak, seed) > MOST_NATS
    assert gain(rare, rare, seed) > MOST_NATS


def test_a_statistic_over_the_whole_row_is_found() -> None:
    def bag(ids: npt.NDArray[np.int64]) -> torch.Tensor:
        counts = torch.nn.functional.one_hot(torch.from_numpy(ids), 50).sum(1, keepdim=True)
        return bigram(ids) + 3 * counts

    assert gain(bag, bag) > MOST_NATS


def test_honesty_in_the_second_process_alone_does_not_help() -> None:
    assert gain(peeking, bigram) > MOST_NATS


def test_one_input_has_no_future() -> None:
    rows = ROWS[:, :2]
    scored = score(peeking_nothing, rows, 4, WIDTHS).token_nats
    random = np.random.default_rng(0)
    assert gain_from_the_future(peeking_nothing, rows, 4, scored, random) == 0.0


def peeking_nothing(ids: npt.NDArray[np.int64]) -> torch.Tensor:
    return bigram(ids)
