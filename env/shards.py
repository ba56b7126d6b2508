"""Shard files: rows of token ids, as raw little-endian unsigned integers without a header.

A shard of `rows` rows at sequence length T is an array of shape [rows, T + 1]: a row's inputs are
`row[:-1]` and its targets are `row[1:]`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from env.errors import DataError

Rows = np.memmap[Any, np.dtype[np.unsignedinteger[Any]]]
Tokens = NDArray[np.unsignedinteger[Any]]

_STORED: dict[str, np.dtype[np.unsignedinteger[Any]]] = {
    "uint16": np.dtype("<u2"),
    "uint32": np.dtype("<u4"),
}


def dtype_for(vocab_size: int) -> str:
    """The name of the smallest stored type that holds every token id below `vocab_size`."""
    return "uint16" if vocab_size <= 65_535 else "uint32"


def stored_dtype(name: str) -> np.dtype[np.unsignedinteger[Any]]:
    """The little-endian numpy type for `uint16` or `uint32`."""
    try:
        return _STORED[name]
    except KeyError:
        raise DataError(f"A shard holds uint16 or uint32 tokens, not {name}.") from None


def open_rows(path_or_fd: str | os.PathLike[str] | int, seq_len: int, dtype: str) -> Rows:
    """Map a shard read-only as an array of shape [rows, seq_len + 1].

    A file descriptor stays the caller's to close. Raises DataError when the file is not a whole,
    positive number of rows.
    """
    row_bytes = (seq_len + 1) * stored_dtype(dtype).itemsize
    fd = os.dup(path_or_fd) if isinstance(path_or_fd, int) else os.open(path_or_fd, os.O_RDONLY)
    with open(fd, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0 or size % row_bytes:
            raise DataError(
                f"Shard {path_or_fd} has {size} bytes, which is not a whole number of rows "
                f"of {row_bytes} bytes."
            )
        shape = (size // row_bytes, seq_len + 1)
        return np.memmap(file, dtype=stored_dtype(dtype), mode="r", shape=shape)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a read-only file that appears under its name whole, on disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    # A leftover of a killed run may be read-only: take its name away instead of opening it.
    unfinished.unlink(missing_ok=True)
    try:
        with open(unfinished, "xb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        os.replace(unfinished, path)
        sync_folder(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
