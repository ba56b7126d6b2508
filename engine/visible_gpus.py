"""Which GPUs a person lets programs see: the driver, unlike CUDA, tells of all."""

from __future__ import annotations

from collections.abc import Sequence


def visible_gpus(uuids: Sequence[str], own: str | None) -> list[int]:
    """The GPUs that CUDA_VISIBLE_DEVICES lets a program see, by their numbers, in its order.

    As in CUDA, the first entry that names none ends the list.
    """
    if own is None:
        return list(range(len(uuids)))
    found: list[int] = []
    for word in map(str.strip, own.split(",")):
        named = [n for n, uuid in enumerate(uuids) if word == str(n) or uuid.startswith(word)]
        if not word or not named:
            break
        found.append(named[0])
    return found
