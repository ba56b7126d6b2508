import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.errors import DataError
from env.packing import encoded, pack, spread, target_counts, unigram_bpb, write_rows
from env.shards import dtype_for, new_file, open_rows, stored_dtype
from env.tokenizer import Tokenizer

BOS = 60_000


def documents_of(lengths: list[int]) -> list[np.ndarray]:
    """Documents whose tokens are all different, so that each can be found again."""
    ends = np.cumsum([0, *lengths])
    return [np.arange(a, b, dtype=np.uint16) for a, b in pairwise(ends)]


def rows_of(lengths: list[int], row_tokens: int, buffer_size: int = 1024) -> list[np.ndarray]:
    return list(
        pack(
            documents_of(lengths),
            row_tokens=row_tokens,
            bos_id=BOS,
            dtype="uint16",
            buffer_size=buffer_size,
        )
    )


@given(
    lengths=st.lists(st.integers(0, 90), max_size=60),
    row_tokens=st.integers(2, 40),
    buffer_size=st.integers(1, 20),
)
@settings(max_examples=200, deadline=None)
def test_rows_are_full_begin_with_bos_and_keep_the_text_in_order(
    lengths: list[int], row_tokens: int, buffer_size: int
) -> None:
    rows = rows_of(lengths, row_tokens, buffer_size)
    assert all(row.shape == (row_tokens,) and row[0] == BOS for row in rows)
    tokens = [int(token) for row in rows for token in row if token != BOS]
    assert len(set(tokens)) == len(tokens), "no token may be used twice"
    # Each stretch between two BOS comes from one document, without a gap.
    document = np.repeat(np.arange(len(lengths)), lengths)
    for row in rows:
        for stretch in np.split(row, np.flatnonzero(row == BOS))[1:]:
            body = stretch[1:].astype(int)
            assert (np.diff(body) == 1).all()
            assert len(set(document[body])) <= 1
    # The pieces of a document come in its order, and what is left out fills no row.
    for number in range(len(lengths)):
        mine = [token for token in tokens if document[token] == number]
        assert mine == sorted(mine)
    assert sum(lengths) - len(tokens) < row_tokens


def test_a_gap_takes_the_longest_document_that_fits() -> None:
    # With BOS: 5, 4, 3, 7. A row of 8 takes 7 and then cuts; the others make a row of 5 + 3.
    rows = rows_of([4, 3, 2, 6], 8)
    assert rows[0].tolist()[:7] == [BOS, 9, 10, 11, 12, 13, 14]
    assert rows_of([4, 3, 2], 8)[0].tolist() == [BOS, 0, 1, 2, 3, BOS, 7, 8]


def test_a_long_document_fills_rows_and_nothing_of_it_is_lost() -> None:
    rows = rows_of([21], 8)
    assert [row.tolist() for row in rows] == [
        [BOS, *range(7)],
        [BOS, *range(7, 14)],
        [BOS, *range(14, 21)],
    ]


def test_packing_refuses_rows_without_a_target() -> None:
    with pytest.raises(ValueError, match="two tokens"):
        rows_of([3], 1)


@given(count=st.integers(0, 500), wanted=st.integers(1, 300))
def test_a_spread_choice_is_even(count: int, wanted: int) -> None:
    chosen = spread(count, wanted)
    assert len(chosen) == min(count, wanted)
    assert len(set(chosen.tolist())) == len(chosen)
    if len(chosen):
        gaps = np.diff(np.concatenate([[-1], chosen, [count]]))
        assert gaps.min() >= 1
        assert gaps.max() <= math.ceil(count / len(chosen)) + 1


def test_encoding_stops_at_the_cap() -> None:
    tokenizer = Tokenizer.train([], 257)
    ids = list(encoded(["abcd", "", "efgh", "ijkl"], tokenizer, 6, lambda read, made: None))
    assert [tokenizer.decode(part.tolist()) for part in ids] == ["abcd", "", "ef"]


def test_a_unigram_model_of_equal_frequencies_costs_the_entropy() -> None:
    # Two tokens of two bytes, equally frequent: one bit each, half a bit per byte.
    counts = np.array([7, 7, 100])
    assert unigram_bpb(counts, counts, np.array([2, 2, 0], dtype=np.int32)) == pytest.approx(0.5)


def test_a_shard_reads_back_by_path_and_by_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "rows.bin"
    rows = rows_of([50, 3, 20, 9], 8)
    assert write_rows(rows, path) == len(rows)
    assert path.stat().st_mode & 0o777 == 0o444
    assert open_rows(path, 7, "uint16").tolist() == [row.tolist() for row in rows]
    fd = os.open(path, os.O_RDONLY)
    try:
        mapped = open_rows(fd, 7, "uint16")
        assert os.fstat(fd).st_size == mapped.nbytes
    finally:
        os.close(fd)
    assert mapped[0].tolist() == rows[0].tolist()
    with pytest.raises(ValueError, match="read-only"):
        mapped[0, 0] = 1
    counts = target_counts(mapped, BOS + 1)
    assert counts.sum() == len(rows) * 7
    assert counts[BOS] == sum((row[1:] == BOS).sum() for row in rows)


def test_a_shard_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.bin"
    path.write_bytes(b"\0" * 30)
    with pytest.raises(DataError, match="whole number of rows"):
        open_rows(path, 7, "uint16")
    (tmp_path / "empty.bin").touch()
    with pytest.raises(DataError, match="0 bytes"):
        open_rows(tmp_path / "empty.bin", 7, "uint16")
    with pytest.raises(DataError, match="not float32"):
        open_rows(path, 7, "float32")


def test_large_vocabularies_get_wider_tokens() -> None:
    assert dtype_for(65_535) == "uint16"
    assert dtype_for(65_536) == "uint32"
    assert stored_dtype("uint32").str == "<u4"


def test_a_file_that_fails_half_way_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.bin"
    with pytest.raises(RuntimeError), new_file(path) as file:  # noqa: PT012
        file.write(b"half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    # What a kill leaves behind is in nobody's way.
    path.with_name("file.bin.tmp").touch(mode=0o444)
    with new_file(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]
