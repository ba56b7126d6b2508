"""Content-addressed files: each named by the SHA-256 of its bytes, whole or not there at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from state.errors import StoreCorrupt, from_os

_UNFINISHED = ".unfinished-"


def write_blob(folder: Path, data: bytes) -> str:
    """Keep `data` in `folder`, which is made if missing; return its SHA-256 in hex.

    When this returns, the bytes and the name are on the disk. Raises StoreFull or StoreError.
    """
    sha = hashlib.sha256(data).hexdigest()
    path = folder / sha
    try:
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha:
            return sha
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(folder)
    except OSError as error:
        raise from_os(error, path) from error
    return sha


def read_blob(folder: Path, sha256: str) -> bytes:
    """The bytes that `write_blob` kept under this name.

    Raises StoreCorrupt when they are missing or are not those that the name says.
    """
    path = folder / sha256
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreCorrupt(f"{path} is missing.") from error
    except OSError as error:
        raise from_os(error, path) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreCorrupt(f"{path} is damaged: its content does not match its name.")
    return data


def prune_blobs(folder: Path, keep: Collection[str]) -> None:
    """Delete every file in `folder` except those named in `keep`; unfinished ones go too."""
    try:
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in keep and path.is_file():
                path.unlink(missing_ok=True)
    except OSError as error:
        raise from_os(error, folder) from error


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
