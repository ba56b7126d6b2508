"""Epochs: scores are comparable only while environment, budget and machine stay the same."""

from __future__ import annotations

from collections.abc import Iterator

from engine.decisions import trial_seed
from engine.faults import fault_point
from state.records import Epoch, Experiment, Json, NewEpoch, NewExperiment, Outcome
from state.store import Store

_OF_A_COMMAND = {
    "command": "the command",
    "metric": "the metric",
    "direction": "the direction",
    "pattern": "the metric's pattern",
    "reseeded": "target.reseed",
    "threads": "the number of threads (0: all)",
}


class EpochChanged(Exception):
    """The study's scores would not be comparable with new ones; the sentence names the change."""


async def enter(
    store: Store,
    conditions: NewEpoch,
    *,
    target: str,
    replicates: int,
    seed: int,
    limit: int | None,
    rebaseline: bool,
) -> None:
    """Continue the current epoch, or begin one and queue the runs that measure it.

    `target` is the script as given; `limit` bounds the experiments of the study. Raises
    EpochChanged when the conditions differ and `rebaseline` is False.
    """
    epochs = await store.epochs()
    if epochs:
        _refuse_another_script(epochs[-1].environment, conditions.environment)
    changes = list(_changes(epochs[-1], conditions)) if epochs else []
    if changes and not rebaseline:
        raise EpochChanged(
            f"This study's scores would not be comparable any more: {'; '.join(changes)}. "
            "Restore that, or measure baseline and incumbent anew with `run --rebaseline`."
        )
    baseline_failed = bool(epochs) and await _baseline_failed(store, epochs[-1].id)
    if not epochs or changes or rebaseline or baseline_failed:
        await _give_up_waiting(store)
        await store.add_epoch(conditions)
        fault_point("epoch-begun")
    await _queue_measurements(store, target, replicates, seed, limit)


async def baseline_source(store: Store) -> str:
    """The target as given: that of the last epoch that has got as far as its baseline."""
    for experiment in reversed(await store.experiments()):
        if experiment.kind == "baseline":
            return await store.source(experiment.source_sha)
    raise LookupError("the study has no baseline")


def _refuse_another_script(old: Json, new: Json) -> None:
    """A study goes on with its own text: under another file's name that would be run instead."""
    before, now = (old or {}).get("script"), (new or {}).get("script")
    if before is not None and now is not None and before != now:
        raise EpochChanged(
            f"This study edits {before}, not {now}: restore target.path, or start another study "
            "with --study."
        )


def _changes(old: Epoch, new: NewEpoch) -> Iterator[str]:
    if old.environment_digest != new.environment_digest:
        before, now = old.environment or {}, new.environment or {}
        if "command" in before and "command" in now:
            yield from _command_changes(before, now)
        else:
            yield (
                f"the environment {now.get('name', '')} is another (data, tokenizer, constants or "
                "evaluation code)"
            )
    if old.budget != new.budget:
        yield f"the budget was {old.budget:g} and is {new.budget:g}"
    if old.clock != new.clock:
        yield f"the clock was {old.clock} and is {new.clock}"
    if old.device_model != new.device_model:
        yield f"the device was {old.device_model} and is {new.device_model}"
    if old.torch_version != new.torch_version:
        yield f"torch was {old.torch_version} and is {new.torch_version}"


def _command_changes(old: Json, new: Json) -> Iterator[str]:
    for key, what in _OF_A_COMMAND.items():
        if old.get(key) != new.get(key):
            yield f"{what} was {old.get(key)} and is {new.get(key)}"
    given, gives = old.get("env", {}), new.get("env", {})
    names = [n for n in sorted(given.keys() | gives.keys()) if given.get(n) != gives.get(n)]
    if names:
        yield f"access.env has another {', '.join(names)}"
    before, now = old.get("frozen", {}), new.get("frozen", {})
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            yield f"{name} is frozen no more"
        elif name not in before:
            yield f"{name} is frozen now"
        elif before[name] != now[name]:
            yield f"the frozen file {name} has changed"


async def _baseline_failed(store: Store, epoch_id: int) -> bool:
    runs = [e for e in await store.experiments() if e.epoch_id == epoch_id]
    return any(run.kind == "baseline" and run.ended and run.val_bpb is None for run in runs)


async def _give_up_waiting(store: Store) -> None:
    """What waits from an earlier epoch would be trained under other conditions: end it."""
    for experiment in await store.queue():
        await store.finish(
            experiment.id,
            Outcome(status="invalid", reason="its epoch ended before it ran"),
            operation="tell" if experiment.kind == "candidate" else "observe",
        )


async def _queue_measurements(
    store: Store, target: str, replicates: int, seed: int, limit: int | None
) -> None:
    """Queue what the epoch's incumbent is chosen from; again after a crash, only what lacks."""
    if await store.incumbent() is not None:
        return
    experiments = await store.experiments()
    epoch = (await store.epochs())[-1]
    here = [e for e in experiments if e.epoch_id == epoch.id]
    count = len(experiments)

    async def add(kind: str, source: str, subject: int | None, summary: str) -> None:
        nonlocal count
        if limit is not None and count >= limit:
            return
        await store.enqueue(
            NewExperiment(
                kind="baseline" if kind == "baseline" else "replicate",
                source=source,
                seed=trial_seed(seed, count),
                subject_id=subject,
                summary=summary,
            ),
            operation=None,
        )
        count += 1

    baseline = next((e for e in here if e.kind == "baseline"), None)
    if baseline is None:
        await add("baseline", target, None, "the target as given")
        baseline = next((e for e in await store.experiments() if e.epoch_id == epoch.id), None)
        if baseline is None:
            return
    for _ in range(replicates - _repeats(here, baseline.id)):
        text = await store.source(baseline.source_sha)
        await add("replicate", text, baseline.id, f"repeats #{baseline.id}")
    before = await store.incumbents()
    if not before:
        return
    kept = experiments[before[-1].experiment_id]
    if kept.source_sha != baseline.source_sha:
        for _ in range(1 + replicates - _repeats(here, kept.id)):
            text = await store.source(kept.source_sha)
            await add("replicate", text, kept.id, f"repeats #{kept.id}")


def _repeats(experiments: list[Experiment], subject_id: int) -> int:
    return sum(e.subject_id == subject_id for e in experiments)
