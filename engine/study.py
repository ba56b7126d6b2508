"""Runs a study: checks everything that can be wrong, then opens, recovers and continues it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

import policy
from engine import epochs, oracle
from engine.command_handler import handler
from engine.command_target import CommandTarget, command_target
from engine.conditions import Conditions, establish
from engine.control import serve
from engine.decisions import Decisions
from engine.documents import record_documents
from engine.events import Announce, EngineEvent
from engine.executor import Executor
from engine.executors import executor_for
from engine.facts import FactReader
from engine.git_committer import GitCommitter
from engine.loop import Ending, Engine
from engine.meters import EnergyMeter, Meters
from engine.notify import Notifier
from engine.opening_warnings import warn
from engine.publisher import Publisher
from engine.recovery import recover
from engine.researcher import Researcher
from engine.review import ReviewDesk
from engine.score_words import ScoreWords
from engine.selfeval import SelfEvaluation
from engine.settings import Settings
from engine.target_reading import read_target
from engine.telemetry import DeviceSampler
from env import manifest
from env.manifest import Environment
from state.documents import PROGRAM
from state.folder import StudyFolder
from state.lock import EngineLock
from state.records import Json, NewStudy
from state.store import Store


async def run_study(
    folder: StudyFolder, settings: Settings, announce: Announce, *, rebaseline: bool = False
) -> tuple[Ending, int]:
    """Run or continue the study in `folder` until it ends.

    Returns how it ended, and the signal that ended it or 0. Raises the errors of the rooms, each
    with one sentence for people: StoreError, DataError, DeviceError, EpochChanged, TargetError...
    """
    if folder.exists:
        with EngineLock(folder.lock):
            return await _run_locked(folder, settings, announce, None, rebaseline)
    # Whatever can be wrong is said before anything is made.
    target = read_target(settings.target)
    command = command_target(settings)
    chosen = policy_options(settings, command)
    policy.make(settings.policy.name, target, settings.seed, **chosen)
    conditions = await establish(settings, announce, None, command)
    folder.make()
    with EngineLock(folder.lock):
        return await _run_locked(folder, settings, announce, (target, conditions), rebaseline)


async def _run_locked(
    folder: StudyFolder,
    settings: Settings,
    announce: Announce,
    new: tuple[str, Conditions] | None,
    rebaseline: bool,
) -> tuple[Ending, int]:
    """Run the study, which is ours: `new` has the target and conditions of one to be made."""
    target = None if new is None or folder.exists else new[0]
    async with _opened(folder, settings, target) as store:
        conditions = (
            new[1]
            if new is not None
            else await establish(settings, announce, await _known_environment(store, settings))
        )
        await recover(store, announce)
        async with anyio.create_task_group() as tasks:
            executor = executor_for(tasks, conditions, folder.scratch, warm=settings.slots.warm)
            committer = GitCommitter(settings.git.commits, store, tasks, announce)
            notifier = Notifier(settings.notify.command, store, tasks, committer.announce)
            engine = await prepare_engine(
                store, settings, conditions, executor, notifier.announce, target, rebaseline
            )
            watch = _SignalWatch(engine)
            tasks.start_soon(watch.run)
            tasks.start_soon(serve, folder.path, handler(engine))
            with notifier.until_the_end():
                ending = await engine.run()
            tasks.cancel_scope.cancel()
    return ending, watch.received


async def _known_environment(store: Store, settings: Settings) -> Path | None:
    """Where the study's environment lies, if the same data is asked for: it is frozen."""
    epochs_so_far = await store.epochs()
    recorded = (await store.study()).settings.get("data")
    if not epochs_so_far or recorded != settings.data.model_dump(mode="json"):
        return None
    path = (epochs_so_far[-1].environment or {}).get("path")
    return Path(path) if path and (Path(path) / manifest.MANIFEST).exists() else None


async def prepare_engine(
    store: Store,
    settings: Settings,
    conditions: Conditions,
    executor: Executor,
    announce: Announce,
    target: str | None,
    rebaseline: bool,
) -> Engine:
    """Enter the epoch, bring the policy up to date, and put the engine together."""
    study = await store.study()
    if target is None:
        target = await _current_target(store, settings)
    await epochs.enter(
        store,
        conditions.epoch,
        target=target,
        replicates=settings.acceptance.replicates,
        seed=study.seed,
        limit=settings.limits.max_experiments,
        rebaseline=rebaseline,
    )
    await store.set_settings(_kept(settings))
    await record_documents(store, settings, announce)
    material = conditions.material
    command = material if isinstance(material, CommandTarget) else None
    options = policy_options(settings, command, await store.document(PROGRAM))
    # Options that the policy refuses are named now, not after the baseline has trained.
    policy.make(study.policy, await epochs.baseline_source(store), study.seed, **options)
    researcher = await Researcher.restore(store, study.policy, study.seed, options)
    desk = await ReviewDesk.open(store, researcher, settings.review, announce)
    sampler = await to_thread.run_sync(DeviceSampler, conditions.slots)
    announce(_opened_event(store, settings, conditions))
    frozen = None if command is None else command.frozen
    energy = EnergyMeter()
    publisher = Publisher(store, conditions.slots, energy.sampling(sampler.sample))
    await warn(store, settings, target, sampler, announce)
    return Engine(
        store=store,
        decisions=Decisions(store, researcher, settings.acceptance, study.seed, announce),
        executor=executor,
        slots=conditions.slots,
        budget=conditions.budget,
        criteria=oracle.criteria(
            settings.limits, len(frozen.digests) if frozen else 0, ScoreWords(store.metric)
        ),
        facts=await FactReader.open(
            store, await Meters.open(store, energy, publisher.occupied_seconds), frozen
        ),
        announce=announce,
        desk=desk,
        publisher=publisher,
        evaluation=await SelfEvaluation.open(
            store, settings.selfeval, conditions.budget, study.seed
        ),
    )


def policy_options(
    settings: Settings, command: CommandTarget | None, program: str | None = None
) -> dict[str, Any]:
    """What the policy is made with: a person's options, and what it may know of the target.

    `program` is what people wrote for it.
    """
    options = {**settings.policy.options, "program": program}
    if command is None:
        return options
    return {**options, "sealed": False, "modules": command.modules()}


async def _current_target(store: Store, settings: Settings) -> str:
    """The study's own copy of its target; the file as it is now, if its baseline never worked."""
    experiments = await store.experiments()
    unscored = all(e.val_bpb is None for e in experiments)
    if not experiments or (unscored and any(e.ended for e in experiments)):
        return read_target(settings.target)
    return await epochs.baseline_source(store)


@asynccontextmanager
async def _opened(
    folder: StudyFolder, settings: Settings, target: str | None
) -> AsyncIterator[Store]:
    if target is None:
        async with Store.open(folder) as store:
            yield store
        return
    sealed = settings.target.command is None
    study = NewStudy(
        name=settings.name,
        seed=settings.seed,
        target_name=Path(settings.target.path or "train.py").name,
        target_kind="sealed" if sealed else "command",
        metric="val_bpb" if sealed else settings.metric.name,
        direction="min" if sealed else settings.metric.direction,
        policy=settings.policy.name,
        settings=_kept(settings),
    )
    async with Store.create(folder, study) as store:
        yield store


def _kept(settings: Settings) -> Json:
    """The settings that a study keeps: all but a command, which may hold a person's secrets."""
    return settings.model_dump(mode="json", exclude={"notify"})


def _opened_event(store: Store, settings: Settings, conditions: Conditions) -> EngineEvent:
    slots = ", ".join(str(slot) for slot in conditions.slots)
    about, of_material = _about(conditions.material)
    sentence = (
        f"Study {store.folder.path}: {about}; policy {settings.policy.name}; "
        f"budget {conditions.budget}; slots {slots}"
    )
    data = {
        "study": str(store.folder.path),
        **of_material,
        "policy": settings.policy.name,
        "budget": conditions.budget.seconds,
        "clock": conditions.budget.clock,
        "slots": [str(slot) for slot in conditions.slots],
        "sandbox": conditions.layers,
    }
    return EngineEvent("opened", sentence, data)


def _about(material: Environment | CommandTarget) -> tuple[str, Json]:
    if isinstance(material, CommandTarget):
        metric = material.metric
        sentence = f"`{material.command}`, {metric.name} ({metric.direction}), self-reported"
        return sentence, {"command": material.command, "metric": metric.name}
    sentence = f"{material.corpus}, unigram {material.unigram_bpb:.3f} bits per byte"
    return sentence, {"environment": material.name, "unigram_bpb": material.unigram_bpb}


class _SignalWatch:
    """Turns the first SIGINT or SIGTERM into a clean stop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.received = 0

    async def run(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                if number == signal.SIGHUP:
                    continue  # the terminal has gone; the night's work has not
                self.received = self.received or int(number)
                self._engine.stop(f"stopped by {signal.Signals(number).name}")
