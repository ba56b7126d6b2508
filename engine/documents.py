"""Takes into the study what people wrote for it: the program, and the results of before."""

from __future__ import annotations

import errno
from pathlib import Path

from anyio import to_thread

from engine.events import Announce, EngineEvent
from engine.prior_results import parse_results
from engine.settings import Settings
from state.documents import PROGRAM
from state.store import Store

_LARGEST = 1 << 20  # bytes of a program that are kept
_LARGEST_HISTORY = 16 << 20


async def record_documents(store: Store, settings: Settings, announce: Announce) -> None:
    """Keep the program as it is now, and the earlier results, once.

    What cannot be read is announced in one sentence, and what was kept before stays.
    """
    target = settings.target
    warnings: list[str] = []
    if target.program is not None:
        program = await _read(target.program, _LARGEST, "The program", warnings)
        if program is not None:
            await store.set_document(PROGRAM, program)
    if target.history is not None and not await store.prior_results():
        history = await _read(target.history, _LARGEST_HISTORY, "The history", warnings)
        if history is not None:
            found, wrong = parse_results(history, settings.metric.name)
            await store.add_prior_results(found)
            warnings += [f"The history {target.history}: {sentence}." for sentence in wrong]
    for sentence in warnings:
        await store.event("warning", None, {"sentence": sentence})
        announce(EngineEvent("warning", sentence))


async def _read(path: str, largest: int, what: str, warnings: list[str]) -> str | None:
    """The text of a file; None where there is none, and then a warning that says why."""
    try:
        data = await to_thread.run_sync(_head, Path(path), largest + 1)
    except OSError as error:
        warnings.append(f"{what} {path} cannot be read: {error.strerror or error}.")
        return None
    if len(data) > largest:
        warnings.append(f"{what} {path} is longer than {largest >> 20} MiB: the rest is left out.")
    return data[:largest].decode("utf-8-sig", "replace")


def _head(path: Path, length: int) -> bytes:
    """The first bytes of a file; a pipe, which would wait for ever, is none."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a file")
    with path.open("rb") as file:
        return file.read(length)
