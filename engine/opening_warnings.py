"""What is said when a study is opened and something will not be as its person may think."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from anyio import to_thread

from engine.events import Announce, EngineEvent
from engine.settings import Settings
from engine.target_reading import given_in_command
from engine.telemetry import DeviceSampler
from state.rows import source_sha256
from state.store import Store
from target import source


async def warn(
    store: Store, settings: Settings, target: str, sampler: DeviceSampler, announce: Announce
) -> None:
    """Announce and record every warning about a study; `target` is the text that it began with."""
    async for sentence in _warnings(store, settings, target, sampler):
        await store.event("warning", None, {"sentence": sentence})
        announce(EngineEvent("warning", sentence))


async def _warnings(
    store: Store, settings: Settings, target: str, sampler: DeviceSampler
) -> AsyncIterator[str]:
    if settings.limits.max_kwh is not None:
        samples = await to_thread.run_sync(sampler.sample)
        if all(sample.power_w is None for sample in samples):
            yield "No device tells its power here: limits.max_kwh will not end the study."
    if settings.target.command is not None:
        for name in given_in_command(target, settings.target.command):
            yield (
                f"The command gives {name}, so edits of its default do nothing: take it out of the "
                "command, or mark the line `# arl: frozen`."
            )
    if settings.target.path is not None and await _is_another(store, settings.target.path):
        yield (
            f"{settings.target.path} is no script that this study knows: it goes on with its own "
            "copy, and another study (--study) would begin with the file."
        )


async def _is_another(store: Store, path: str) -> bool:
    """Whether the file has been edited, and not by writing what the study has tried."""
    try:
        text = await to_thread.run_sync(source.read, Path(path))
    except source.SourceError:
        return False
    sha = source_sha256(text)
    return all(experiment.source_sha != sha for experiment in await store.experiments())
