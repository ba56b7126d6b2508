from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from env.audit import Probe, audit
from env.bpb import Predict, score
from env.failure import Failure

Ids = npt.NDArray[np.int64]
ROWS = np.random.default_rng(0).integers(1, 50, size=(240, 17)).astype(np.uint16)
WIDTHS = np.ones(50, dtype=np.int64)
TABLE = torch.randn(50, 50, generator=torch.Generator().manual_seed(1))
FUTURE = "depend on later tokens"
COMPANY = "depend on other rows of a batch, or on earlier batches"
AGAIN = "asked again about the same text"


def shown(model: Predict) -> Predict:
    """A model process around a model that thinks in tensors."""
    return lambda ids: np.asarray(model(ids))


def judge(make: Callable[[], Predict], seed: int = 0, batch_rows: int = 8) -> None:
    """Score with one model process, and audit with another."""
    first, fresh = shown(make()), shown(make())
    scored = score(first, ROWS, batch_rows, WIDTHS, 3).token_nats
    audit(first, fresh, ROWS, batch_rows, scored, np.random.default_rng(seed))


def bigram(ids: Ids) -> torch.Tensor:
    return TABLE[torch.from_numpy(ids)]


def prefix(ids: Ids) -> torch.Tensor:
    """Causal and with a long memory: the mean over all tokens so far."""
    each = TABLE[torch.from_numpy(ids)]
    return each.cumsum(1) / torch.arange(1, ids.shape[1] + 1).view(1, -1, 1)


def rounding(ids: Ids) -> torch.Tensor:
    """Causal, with the noise of half-precision kernels."""
    noise = torch.from_numpy(np.random.default_rng().normal(size=(*ids.shape, 50))).float()
    return prefix(ids).bfloat16().float() + 0.01 * noise


def peeking(ids: Ids, ahead: int = 1, strength: float = 9.0) -> torch.Tensor:
    logits = bigram(ids)
    seen = torch.roll(torch.from_numpy(ids), -ahead, dims=1)
    logits[:, :-ahead] += strength * torch.nn.functional.one_hot(seen, 50)[:, :-ahead]
    return logits


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("batch_rows", [1, 7, 8, 64, 500])
@pytest.mark.parametrize("model", [bigram, prefix, rounding])
def test_an_honest_model_passes(model: Predict, batch_rows: int, seed: int) -> None:
    judge(lambda: model, seed, batch_rows)


def weak(ids: Ids) -> torch.Tensor:
    return peeking(ids, strength=0.1)


def rare(ids: Ids) -> torch.Tensor:
    """Looks at one token in twenty-five."""
    leaks = torch.from_numpy(ids)[..., None] % 25 == 0
    return torch.where(leaks, peeking(ids), bigram(ids))


def far(ids: Ids) -> torch.Tensor:
    """Looks for the next token among those a few places on."""
    logits = bigram(ids)
    logits[:, :-4] += 3 * torch.nn.functional.one_hot(torch.from_numpy(ids[:, 4:]), 50)
    return logits + peeking(ids, strength=0.5)


def bag(ids: Ids) -> torch.Tensor:
    counts = torch.nn.functional.one_hot(torch.from_numpy(ids), 50).sum(1, keepdim=True)
    return bigram(ids) + 3 * counts


def clumsy(ids: Ids) -> torch.Tensor:
    """Looks at the whole row, and predicts worse for it."""
    counts = torch.nn.functional.one_hot(torch.from_numpy(ids), 50).sum(1, keepdim=True)
    return bigram(ids) - 3 * counts


def until_the_end(ids: Ids) -> torch.Tensor:
    """Looks ahead only where the rest of the row is no single token."""
    varied = (ids[:, -1] != ids[:, -2])[:, None, None]
    return torch.where(torch.from_numpy(varied), peeking(ids), bigram(ids))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("model", [peeking, weak, rare, far, bag, clumsy, until_the_end])
def test_a_model_that_looks_ahead_is_found(model: Predict, seed: int) -> None:
    with pytest.raises(Failure, match=FUTURE) as raised:
        judge(lambda: model, seed)
    assert raised.value.status == "invalid"


def test_honesty_in_the_second_process_alone_does_not_help() -> None:
    models = iter([peeking, bigram])
    with pytest.raises(Failure):
        judge(lambda: next(models))


def test_neighbours_in_a_batch_are_found() -> None:
    def crowd(ids: Ids) -> torch.Tensor:
        logits = bigram(ids)
        return logits - 0.5 * logits.mean(0, keepdim=True)

    with pytest.raises(Failure, match=f"{AGAIN}|{COMPANY}"):
        judge(lambda: crowd)


def learning() -> Predict:
    """Learns from what it was shown."""
    counts = torch.zeros(50, 50)

    def predict(ids: Ids) -> torch.Tensor:
        logits = bigram(ids) + counts[torch.from_numpy(ids)]
        counts[torch.from_numpy(ids[:, :-1]), torch.from_numpy(ids[:, 1:])] += 1.0
        return logits

    return predict


def remembering() -> Predict:
    """Knows a row again."""
    seen: dict[bytes, Ids] = {}

    def predict(ids: Ids) -> torch.Tensor:
        logits = bigram(ids)
        for row, text in enumerate(ids):
            known = seen.setdefault(text[:3].tobytes(), text)
            logits[row, :-1] += 9.0 * torch.eye(50)[torch.from_numpy(known[1:])]
            if known is text:
                logits[row] = bigram(ids)[row]
        return logits

    return predict


@pytest.mark.parametrize("make", [learning, remembering])
def test_a_memory_is_found(make: Callable[[], Predict]) -> None:
    with pytest.raises(Failure, match=f"{AGAIN}|{COMPANY}|{FUTURE}"):
        judge(make)


def test_chance_is_found() -> None:
    def dropout(ids: Ids) -> torch.Tensor:
        return torch.nn.functional.dropout(bigram(ids), 0.1)

    with pytest.raises(Failure, match=AGAIN):
        judge(lambda: dropout)


def test_one_input_has_no_future() -> None:
    rows = ROWS[:, :2]
    model = shown(bigram)
    scored = score(model, rows, 4, WIDTHS, 0).token_nats
    audit(model, model, rows, 4, scored, np.random.default_rng(0))


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(1, 40),
    length=st.integers(1, 9),
    batch_rows=st.integers(1, 50),
    tokens=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_probe_changes_what_comes_after_and_nothing_else(
    n: int, length: int, batch_rows: int, tokens: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    rows = random.integers(tokens, size=(n, length + 1)).astype(np.uint16)
    probe = Probe.of(rows, batch_rows, 20, ("other text", "one token", "order", "nothing"), random)
    size = min(batch_rows, n)
    assert len(probe.ids) % size == 0
    assert len(set(probe.number.tolist())) == len(probe.ids)
    for ids, kept, number in zip(probe.ids, probe.kept, probe.number, strict=True):
        as_scored = rows[number, :-1]
        assert (ids[: kept + 1] == as_scored[: kept + 1]).all()
        if kept < length - 1:
            assert ids[kept + 1] != as_scored[kept + 1]
