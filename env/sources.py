"""Texts of the user's own: files in a folder, or parquet files of a dataset on the hub."""

import errno
import hashlib
import json
import os
import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from env.corpus import SPLITS, Document, Split, SplitSize, checksum_of, name_key
from env.errors import DataError

_HELD_OUT = 0.01  # of the bytes, for val and for sealed
_HELD_OUT_MOST = 0.1  # of the bytes, where there is little text
_HELD_OUT_BYTES = 1 << 19  # for a few hundred rows of a validation shard
# A .txt file longer than the first number is split into pieces of about the second: at a blank
# line where there is one, at a line's end from twice that on, and at four times that anywhere.
_WHOLE_FILE = 1 << 15
_PIECE = 1 << 13
_MAX_HUB_FILES = 8


class FileCorpus:
    """Documents of text files; the document's hash decides its split.

    A document is a row of a parquet file, a line of a .jsonl file (each with its field `text`), a
    short .txt file, or a piece of a long one. The documents with the smallest hashes are
    `val`, the next ones `sealed`, 1 % of the bytes each (up to 10 % where there is little text).
    """

    def __init__(self, name: str, version: str, checksum: str, files: Mapping[str, Path]) -> None:
        """`files` are read in the order given; the keys name them in documents and in errors."""
        self.name = name
        self.version = version
        self.checksum = checksum
        self._files = files

    @property
    def sizes(self) -> Mapping[Split, SplitSize]:
        """Documents and bytes of each split; the first use reads every file once."""
        return self._scan[0]

    def documents(self, split: Split) -> Iterator[Document]:
        """Stream the documents of a split in the order of the files."""
        bounds = self._scan[1]
        for document in self._all():
            if _split_of(name_key(document.name), bounds) == split:
                yield document

    def _all(self) -> Iterator[Document]:
        for name, path in self._files.items():
            number = 0
            try:
                for number, text in enumerate(_READERS[path.suffix.lower()](path), start=1):
                    if text.strip():
                        yield Document(f"{name}#{number}", text)
            except UnicodeError as error:
                raise DataError(
                    f"{path} is not UTF-8 text (after document {number}); convert it to UTF-8."
                ) from error

    @cached_property
    def _scan(self) -> tuple[Mapping[Split, SplitSize], tuple[int, int]]:
        """The sizes, and the hashes below which a document is in val or in sealed."""
        keys, lengths = array("Q"), array("Q")
        for document in self._all():
            keys.append(name_key(document.name))
            lengths.append(len(document.text.encode()))
        if len(keys) < len(SPLITS):
            raise DataError(
                f"The data has {len(keys)} documents with text, but each split needs at least "
                f"one: add documents until there are {len(SPLITS)} or more."
            )
        order = np.argsort(np.frombuffer(keys, dtype=np.uint64), kind="stable")
        ordered = np.frombuffer(keys, dtype=np.uint64)[order]
        summed = np.cumsum(np.frombuffer(lengths, dtype=np.uint64)[order].astype(np.int64))
        total = int(summed[-1])
        wanted = max(_HELD_OUT * total, min(_HELD_OUT_MOST * total, _HELD_OUT_BYTES))
        # The first document past each share; every split keeps one document at least.
        val = min(int(np.searchsorted(summed, wanted)) + 1, len(keys) - 2)
        sealed = int(np.searchsorted(summed, summed[val - 1] + wanted)) + 1
        sealed = min(max(sealed, val + 1), len(keys) - 1)
        ends = (0, val, sealed, len(keys))
        sizes: dict[Split, SplitSize] = {}
        in_order: tuple[Split, ...] = ("val", "sealed", "train")
        for split, start, end in zip(in_order, ends[:-1], ends[1:], strict=True):
            before = int(summed[start - 1]) if start else 0
            sizes[split] = SplitSize(end - start, int(summed[end - 1]) - before)
        return sizes, (int(ordered[val]), int(ordered[sealed]))


def folder_corpus(path: Path, max_bytes: int) -> FileCorpus:
    """The supported files in a folder and below it, or the one file that `path` is.

    Of a large folder, a fair choice of files is used, `max_bytes` in all or little more. Hidden
    files and folders are left out. Raises DataError when there is nothing to read.
    """
    if not path.exists():
        raise DataError(f"The data folder {path} does not exist.")
    found = {path.name: path} if path.is_file() else dict(_supported_files(path))
    if not found or not all(file.suffix.lower() in _READERS for file in found.values()):
        raise DataError(f"There is no {_SUPPORTED} file in {path}: that is what can be read.")
    digests: dict[str, str] = {}
    size = 0
    for name in sorted(found, key=name_key):
        size += found[name].stat().st_size
        digests[name] = _sum_of(found[name], max_bytes)
        if size >= max_bytes:
            break
    checksum = checksum_of(digests)
    return FileCorpus(
        f"data-{_slug(path.resolve().name)}",
        checksum[:12],
        checksum,
        {name: found[name] for name in digests},
    )


def hub_corpus(
    dataset: str, max_bytes: int, report: Callable[[float], None] = lambda fraction: None
) -> FileCorpus:
    """Parquet files of a dataset repository, downloaded once into the hub's own cache.

    `dataset` is `owner/name`, or `owner/name:folder` for one folder of the repository; else the
    first folder that has training files is used. At most eight files, and no more after
    `max_bytes`. Raises DataError when the hub cannot be reached or has no such files.
    """
    # Only needed here, and slow to import.
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    repository, _, folder = dataset.partition(":")
    try:
        info = HfApi().dataset_info(repository, files_metadata=True)
        found = {file.rfilename: file.size or 0 for file in info.siblings or []}
        chosen = choose_hub_files(found, folder.strip("/"), max_bytes)
        files: dict[str, Path] = {}
        for number, name in enumerate(chosen):
            report(number / len(chosen))
            files[name] = Path(
                hf_hub_download(repository, name, repo_type="dataset", revision=info.sha)
            )
    except Exception as error:  # network faults come as many unrelated types
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DataError(_hub_fault(repository, error)) from error
    if not files:
        raise DataError(
            f"The dataset {dataset} has no .parquet files there: choose another dataset, or a "
            f"folder of it as {repository}:FOLDER."
        )
    report(1.0)
    revision = str(info.sha)
    checksum = checksum_of({name: f"{repository}@{revision}" for name in files})
    return FileCorpus(f"hub-{_slug(repository)}", checksum[:12], checksum, files)


def choose_hub_files(sizes: Mapping[str, int], folder: str, max_bytes: int) -> list[str]:
    """Which parquet files of a repository to download, from all names and their sizes.

    They come from one folder: other folders often hold the same text in another form, and a text
    must not be in two splits.
    """
    below = [
        name
        for name in sizes
        if name.lower().endswith(".parquet") and (not folder or name.startswith(f"{folder}/"))
    ]
    below = [name for name in below if "train" in name.lower()] or below
    if not folder and below:
        first = min(PurePosixPath(name).parent for name in below)
        below = [name for name in below if PurePosixPath(name).parent == first]
    chosen: list[str] = []
    for name in sorted(below, key=name_key)[:_MAX_HUB_FILES]:
        chosen.append(name)
        if sum(sizes[each] for each in chosen) >= max_bytes:
            break
    return chosen


def _hub_fault(repository: str, error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"The dataset {repository} asks for permission: log in with `hf auth login`."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"The hub has no public dataset {repository}: check the name."
    if isinstance(error, errors.HFValidationError):
        return f"{repository} is no name of a dataset: give it as OWNER/NAME."
    return (
        f"The hub cannot be reached for the dataset {repository} ({type(error).__name__}): "
        "check the network, or use files of your own with --data."
    )


def _supported_files(folder: Path) -> Iterator[tuple[str, Path]]:
    def stop(error: OSError) -> None:
        raise DataError(f"Cannot read {error.filename}: {error.strerror}.") from error

    for parent, folders, files in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent) / name
            if path.suffix.lower() in _READERS and not name.startswith("."):
                yield path.relative_to(folder).as_posix(), path


def _sum_of(file: Path, max_bytes: int) -> str:
    """Over the size and the first `max_bytes`, past which hardly anything is read."""
    try:
        with open(file, "rb") as opened:
            total = hashlib.sha256(f"{file.stat().st_size}\n".encode())
            while max_bytes > 0 and (block := opened.read(min(max_bytes, 1 << 20))):
                total.update(block)
                max_bytes -= len(block)
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror}.") from error
    return total.hexdigest()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32].strip("-") or "files"


def _split_of(key: int, bounds: tuple[int, int]) -> Split:
    return "val" if key < bounds[0] else "sealed" if key < bounds[1] else "train"


def _parquet_texts(path: Path) -> Iterator[str]:
    try:
        with pq.ParquetFile(path) as file:
            column = file.schema_arrow.field("text") if "text" in file.schema_arrow.names else None
            if column is None:
                raise DataError(f"{path} has no column `text`; rename the column of the documents.")
            for batch in file.iter_batches(batch_size=256, columns=["text"]):
                for text in batch.column(0).to_pylist():
                    if not isinstance(text, str | None):
                        raise DataError(f"The column `text` of {path} holds no text.")
                    yield text or ""
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as a parquet file: {error}.") from error


def _json_texts(path: Path) -> Iterator[str]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                yield ""
                continue
            try:
                row = json.loads(line)
            except UnicodeDecodeError as error:
                raise DataError(f"{path} line {number} is not UTF-8 text.") from error
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path} line {number} is not JSON: {error}.") from error
            text = row.get("text") if isinstance(row, dict) else None
            if not isinstance(text, str):
                raise DataError(f"{path} line {number} has no field `text` that holds a string.")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"{path} line {number} holds half of a surrogate pair, which is no text."
                ) from error
            yield text


def _txt_pieces(path: Path) -> Iterator[str]:
    whole = path.stat().st_size <= _WHOLE_FILE
    lines: list[str] = []
    length = 0
    # Line ends stay as they are; a line is read in parts so that an endless one fits in memory.
    with open(path, encoding="utf-8", newline="") as file:
        while line := file.readline(_PIECE):
            blank = not line.strip() and line.endswith(("\n", "\r"))
            lines.append(line)
            length += len(line)
            at_end = line.endswith(("\n", "\r")) and length >= 2 * _PIECE
            if not whole and (length >= 4 * _PIECE or at_end or (blank and length >= _PIECE)):
                yield "".join(lines)
                lines, length = [], 0
    yield "".join(lines)


_READERS: Mapping[str, Callable[[Path], Iterator[str]]] = {
    ".parquet": _parquet_texts,
    ".jsonl": _json_texts,
    ".txt": _txt_pieces,
}
_SUPPORTED = ".parquet, .jsonl or .txt"
