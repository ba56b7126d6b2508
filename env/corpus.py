"""What a corpus is, and the default one: the Python sources of SymPy, which every torch brings."""

import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, get_args

from env.errors import DataError

Split = Literal["train", "val", "sealed"]
SPLITS: tuple[Split, ...] = get_args(Split)

SYMPY_VERSION = "1.14.0"
SYMPY_CHECKSUM = "de16ddff09d46330548976a60ef9a482c9180f51fb4d10f89e7ee4d18ac153c8"
"""Over the name and SHA-256 of every .py file of the `sympy` package, in the order of names."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text and the name by which it was sorted into a split."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class SplitSize:
    """How much text a split has."""

    documents: int
    text_bytes: int


class Corpus(Protocol):
    """Texts in three splits; asked again, it gives the same documents in the same order."""

    @property
    def name(self) -> str:
        """What people call it; names the environment folder together with `version`."""

    @property
    def version(self) -> str:
        """Tells one state of the data from another."""

    @property
    def checksum(self) -> str:
        """SHA-256 (hex) over everything that the documents are read from."""

    @property
    def sizes(self) -> Mapping[Split, SplitSize]:
        """Documents and bytes of each split."""

    def documents(self, split: Split) -> Iterator[Document]:
        """Stream the documents of a split; none is empty."""


def name_key(name: str) -> int:
    """A 64-bit number, uniform over names: where it lies decides a document's split."""
    # Names come from file systems, which allow bytes that are not UTF-8.
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8])


def checksum_of(digests: Mapping[str, str]) -> str:
    """SHA-256 (hex) over sorted names and the SHA-256 of what each stands for."""
    lines = (f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


class SympyCorpus:
    """The sources of the installed SymPy; a document is one .py file.

    A model process may have imported SymPy, but nothing imports its tests: validation text comes
    from `tests/` folders only (a quarter of those files each for val and sealed).
    """

    name = "sympy"
    version = SYMPY_VERSION
    checksum = SYMPY_CHECKSUM

    def __init__(self, package: Path | None = None) -> None:
        """Find the installed package (or take `package`) and check every file of it.

        Raises DataError when SymPy is missing or is not exactly the pinned release.
        """
        self._package = package or _installed_sympy()
        names = sorted(_python_files(self._package))
        digests = {name: hashlib.sha256(self._read(name)).hexdigest() for name in names}
        if checksum_of(digests) != SYMPY_CHECKSUM:
            raise DataError(
                f"The SymPy sources in {self._package} are not those of the released sympy "
                f"{SYMPY_VERSION}: run `pip install --force-reinstall sympy=={SYMPY_VERSION}`."
            )
        # By hash, so that a prefix of the documents is a fair sample of all of them.
        self._names = sorted(names, key=name_key)

    @cached_property
    def sizes(self) -> Mapping[Split, SplitSize]:
        """Documents and bytes of each split."""
        sizes = {split: [0, 0] for split in SPLITS}
        for name in self._names:
            if text_bytes := self._path(name).stat().st_size:
                size = sizes[sympy_split(name)]
                size[0] += 1
                size[1] += text_bytes
        return {split: SplitSize(*size) for split, size in sizes.items()}

    def documents(self, split: Split) -> Iterator[Document]:
        """Stream the files of a split in the order of their names' hashes."""
        for name in self._names:
            if sympy_split(name) == split and (text := self._read(name).decode("utf-8")):
                yield Document(name, text)

    def _path(self, name: str) -> Path:
        return self._package.parent / name

    def _read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise DataError(f"Cannot read {self._path(name)}: {error.strerror}.") from error


def sympy_split(name: str) -> Split:
    """The split of a file of SymPy, from its path relative to site-packages."""
    if "tests" not in name.split("/")[:-1]:
        return "train"
    quarter = name_key(name) >> 62
    return "train" if quarter < 2 else "val" if quarter == 2 else "sealed"


def _installed_sympy(version: Callable[[str], str] = importlib.metadata.version) -> Path:
    install = f"install it with `pip install sympy=={SYMPY_VERSION}`."
    try:
        found = version("sympy")
    except importlib.metadata.PackageNotFoundError:
        raise DataError(
            f"SymPy, whose sources are the default text, is missing: {install}"
        ) from None
    if found != SYMPY_VERSION:
        raise DataError(f"SymPy is {found}, but the default text is {SYMPY_VERSION}: {install}")
    # Finding does not import: importing SymPy takes a second.
    spec = importlib.util.find_spec("sympy")
    if spec is None or spec.origin is None:
        raise DataError(f"The sources of SymPy cannot be found: {install}")
    return Path(spec.origin).parent


def _python_files(package: Path) -> Iterator[str]:
    for folder, _, files in os.walk(package):
        for file in files:
            if file.endswith(".py"):
                yield (Path(folder) / file).relative_to(package.parent).as_posix()
