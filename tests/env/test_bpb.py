import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from env.bpb import Score, score, token_nats


def fixed(logits: npt.ArrayLike):  # type: ignore[no-untyped-def]
    """A model that ignores its input: logits [V]."""

    def predict(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return np.broadcast_to(np.asarray(logits, dtype=np.float32), (*ids.shape, np.size(logits)))

    return predict


def test_a_case_computed_by_hand() -> None:
    # Token 0 is special, token 1 has one byte, token 2 has three.
    probabilities = np.array([0.5, 0.25, 0.25])
    rows = np.array([[0, 1, 2], [0, 2, 0]], dtype=np.uint16)
    result = score(fixed(np.log(probabilities) + 7), rows, 1, np.array([0, 1, 3]), 0)
    # Targets 1, 2, 2 at two bits each over 1 + 3 + 3 bytes; the special target counts nowhere.
    assert result.n_bytes == 7
    assert result.val_bpb == pytest.approx(6 / 7)
    assert result.token_nats.shape == (2, 2)


def test_on_bytes_it_is_the_mean_loss_over_ln_2() -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(256, 256, generator=generator)
    rows = torch.randint(256, (10, 33), generator=generator)
    logits = table.numpy()
    result = score(lambda ids: logits[ids], rows.numpy(), 3, np.ones(256, dtype=np.int64), 0)
    loss = F.cross_entropy(table[rows[:, :-1]].flatten(0, 1), rows[:, 1:].flatten())
    assert result.val_bpb == pytest.approx(float(loss) / math.log(2), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_size_of_the_batches_does_not_matter(n_rows: int, batch_rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.integers(0, 5, size=(n_rows, 6)).astype(np.uint16)
    rows[0, 1] = 1
    table = random.normal(size=(5, 5)).astype(np.float32)
    widths = np.arange(5)
    found = [
        score(lambda ids: table[ids], rows, size, widths, seed) for size in (batch_rows, n_rows)
    ]
    assert found[0].val_bpb == pytest.approx(found[1].val_bpb, rel=1e-6)
    assert found[0].n_bytes == found[1].n_bytes == int(rows[:, 1:].sum())


def test_special_targets_count_in_neither_sum() -> None:
    widths = np.array([0, 2])
    logits = [-50.0, 0.0]
    plain = score(fixed(logits), np.array([[0, 1, 1]], dtype=np.uint16), 4, widths, 0)
    special = score(fixed(logits), np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint16), 4, widths, 0)
    assert (special.nats, special.n_bytes) == (plain.nats, plain.n_bytes)


def test_the_scale_of_the_logits_does_not_matter_and_extremes_stay_exact() -> None:
    targets = np.array([0, 1])
    logits = np.array([[2.0, 1.0], [0.5, -3.0]], dtype=np.float32)
    assert token_nats(logits + 1000, targets) == pytest.approx(
        token_nats(logits, targets), abs=1e-3
    )
    sure = token_nats(np.array([[1e30, 0.0], [1e30, 0.0]], dtype=np.float32), targets)
    assert sure[0] == 0
    assert sure[1] == pytest.approx(1e30)


def test_no_text_is_no_score() -> None:
    with pytest.raises(ValueError, match="no bytes"):
        _ = Score(1.0, 0, np.zeros(1, dtype=np.float32)).val_bpb
