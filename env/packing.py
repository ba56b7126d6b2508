"""From documents to shards: best-fit packing into full rows that begin with BOS.

Every row is filled to the last token, so no compute is spent on padding, and each document in a
row is seen from its own BOS onwards.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from env.shards import Rows, Tokens, new_file, stored_dtype
from env.tokenizer import Tokenizer

_BATCH_BYTES = 2_000_000  # text encoded at once
_BLOCK_ROWS = 8192  # rows handled at once


def encoded(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    max_tokens: int,
    report: Callable[[int, int], None],
) -> Iterator[Tokens]:
    """Yield the token ids of each text, and stop at `max_tokens` in all.

    `report` is told now and then how many bytes were read and how many tokens were made.
    """
    bytes_read = tokens_made = 0
    for batch in _batches(texts):
        for tokens in tokenizer.encode_batch(batch):
            left = max_tokens - tokens_made
            yield tokens[:left]
            tokens_made += len(tokens[:left])
            if tokens_made == max_tokens:
                return
        bytes_read += sum(len(text.encode()) for text in batch)
        report(bytes_read, tokens_made)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    batch_bytes = 0
    for text in texts:
        batch.append(text)
        batch_bytes += len(text.encode())
        if batch_bytes >= _BATCH_BYTES:
            yield batch
            batch, batch_bytes = [], 0
    if batch:
        yield batch


def pack(
    documents: Iterable[Tokens],
    *,
    row_tokens: int,
    bos_id: int,
    dtype: str,
    buffer_size: int = 1024,
) -> Iterator[Tokens]:
    """Yield rows of exactly `row_tokens` tokens from token arrays that have no BOS yet.

    From the documents in the buffer, each gap takes the longest one that fits whole. When none
    fits, the longest is cut to fill the gap, and the rest goes back as a document of its own:
    dropping it would leave only the beginnings of documents that are much longer than a row.
    Tokens that do not fill a last row are left out. The same documents give the same rows.
    """
    if row_tokens < 2:
        raise ValueError("a row needs at least two tokens: an input and a target")
    source = iter(documents)
    # Sorted by (length with BOS, arrival); the arrival number is unique, so arrays never compare.
    buffer: list[tuple[int, int, Tokens]] = []
    arrivals = 0
    row = np.empty(row_tokens, dtype=stored_dtype(dtype))
    while True:
        filled = 0
        while filled < row_tokens:
            while len(buffer) < buffer_size and (tokens := next(source, None)) is not None:
                if len(tokens):
                    insort(buffer, (len(tokens) + 1, arrivals, tokens))
                    arrivals += 1
            if not buffer:
                return
            space = row_tokens - filled
            # The longest that fits; where none does, -1: the longest of all.
            length, arrival, tokens = buffer.pop(bisect_left(buffer, (space + 1,)) - 1)
            taken = min(length, space) - 1
            row[filled] = bos_id
            row[filled + 1 : filled + 1 + taken] = tokens[:taken]
            filled += 1 + taken
            if taken < len(tokens):
                insort(buffer, (len(tokens) - taken + 1, arrival, tokens[taken:]))
        yield row.copy()


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """The indices of `wanted` items spread evenly over `count`; all where there are fewer."""
    wanted = min(wanted, count)
    middles = np.arange(wanted, dtype=np.int64) * 2 + 1
    return middles * count // max(1, 2 * wanted)


def write_rows(rows: Iterable[Tokens], path: Path) -> int:
    """Write a shard file; returns how many rows it has."""
    with new_file(path) as file:
        return sum(bool(file.write(row.tobytes())) for row in rows)


def target_counts(rows: Rows, vocab_size: int) -> NDArray[np.int64]:
    """How often each token is a target: int64[vocab_size]."""
    counts = np.zeros(vocab_size, dtype=np.int64)
    for start in range(0, len(rows), _BLOCK_ROWS):
        targets = rows[start : start + _BLOCK_ROWS, 1:].ravel()
        counts += np.bincount(targets, minlength=vocab_size)
    return counts


def unigram_bpb(
    train: NDArray[np.int64], val: NDArray[np.int64], token_bytes: NDArray[np.int32]
) -> float:
    """Bits per byte on `val` targets of a model that knows only how frequent each token is.

    Frequencies are those of the `train` targets, with one added to each count. Tokens without
    bytes (BOS) are no events and count neither as loss nor as bytes.
    """
    ordinary = token_bytes > 0
    seen = train[ordinary] + 1.0
    bits = -np.log2(seen / seen.sum())
    return float(val[ordinary] @ bits / (val[ordinary] @ token_bytes[ordinary]))
