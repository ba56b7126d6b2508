from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.batches import Batches, row_order


@given(st.integers(1, 60), st.integers(0, 2**63), st.integers(1, 4))
def test_each_pass_is_a_permutation(n_rows: int, seed: int, passes: int) -> None:
    order = list(islice(row_order(n_rows, seed), n_rows * passes))
    for start in range(0, len(order), n_rows):
        assert sorted(order[start : start + n_rows]) == list(range(n_rows))


def test_the_seed_decides() -> None:
    def first(seed: int) -> list[int]:
        return list(islice(row_order(100, seed), 200))

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert first(1)[:100] != first(1)[100:]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_batches_go_on_where_the_last_one_ended(sizes: list[int]) -> None:
    rows = np.arange(14, dtype=np.uint16).reshape(7, 2)
    batches = Batches(rows, seed=5)
    taken = np.concatenate([batches.take(size) for size in sizes])
    assert taken.dtype == np.int64
    wanted = list(islice(row_order(7, 5), sum(sizes)))
    assert taken.tolist() == rows[wanted].tolist()


def test_an_empty_shard_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        Batches(np.zeros((0, 3), dtype=np.uint16), 0).take(1)
