"""Tensors as text, for states that are kept as JSON."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from safetensors.torch import load, save
from torch import Tensor


def pack(tensors: Mapping[str, Tensor]) -> str:
    """Named tensors as base64 text (safetensors, compressed)."""
    plain = {name: value.detach().contiguous() for name, value in tensors.items()}
    return base64.b64encode(zlib.compress(save(plain), 1)).decode("ascii")


def unpack(text: str) -> dict[str, Tensor]:
    """What `pack` wrote. Raises ValueError."""
    try:
        return load(zlib.decompress(base64.b64decode(text, validate=True)))
    except Exception as error:  # whatever the decoders say of a damaged text
        raise ValueError(f"these are not packed tensors: {error}") from None


def keyed_generator(*key: int | str) -> torch.Generator:
    """Random numbers that depend on a key alone, such as a study's seed and an ask's number."""
    digest = hashlib.blake2b(":".join(map(str, key)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


@contextmanager
def single_thread() -> Iterator[None]:
    """One thread for torch: fast for small tensors, and the same sums every time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
