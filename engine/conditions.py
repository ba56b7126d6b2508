"""What all trials of a run share: slots, budget, environment and sandbox."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anyio import to_thread

from engine import preparation
from engine.command_target import CommandTarget, command_target
from engine.devices import choose_slots, device_model, usable_inside
from engine.events import Announce, EngineEvent
from engine.executor import Budget, Slot
from engine.settings import BudgetTable, Settings, SettingsError
from env import manifest, sandbox
from env.manifest import Environment
from env.sandbox import Sandbox
from state.records import NewEpoch

CPU_SECONDS = 20.0
GPU_SECONDS = 300.0


class SandboxMissing(Exception):
    """A sandbox is required and cannot be had here."""


@dataclass(frozen=True)
class Conditions:
    """What all trials of a run share."""

    slots: tuple[Slot, ...]
    budget: Budget
    material: Environment | CommandTarget  # what trials get: a sealed target's, or a command's own
    confined: Sandbox

    @property
    def layers(self) -> list[str]:
        """The names of the layers that confine candidates."""
        alone = all(slot.node for slot in self.slots)
        return [*self.confined.layers, *(["own GPU alone"] if alone else [])]

    @property
    def environment(self) -> Environment:
        """What the trials of a sealed target get. Raises TypeError for a command's."""
        if not isinstance(self.material, Environment):
            raise TypeError("a command target has no environment")
        return self.material

    @property
    def epoch(self) -> NewEpoch:
        """What makes scores comparable, and a record of the rest."""
        sealed = isinstance(self.material, Environment)
        return NewEpoch(
            environment_digest=self._digest(),
            budget=self.budget.seconds,
            clock=self.budget.clock,
            device_model=device_model(self.slots, with_torch=sealed),
            # A command target has the torch of its own interpreter, if it has any.
            torch_version=version("torch") if sealed else "its own",
            environment={**self._described(), "sandbox": self.layers},
        )

    def _digest(self) -> str:
        if isinstance(self.material, Environment):
            return self.material.digest
        whole = f"{self.material.digest} {self.slots[0].threads}"
        return hashlib.sha256(whole.encode()).hexdigest()

    def _described(self) -> dict[str, Any]:
        material = self.material
        if isinstance(material, CommandTarget):
            record = material.record()
            return {"name": material.script, "threads": self.slots[0].threads, **record}
        return {
            "name": material.name,
            "path": str(material.path),
            "corpus": material.corpus,
            "vocab_size": material.vocab_size,
            "seq_len": material.seq_len,
            "unigram_bpb": material.unigram_bpb,
        }


def _shared(slot: Slot, slots: int) -> Slot:
    """The slot of a command, which had all processors by hand: it keeps them where it is alone."""
    if slot.threads or slots == 1:
        return slot
    return replace(slot, threads=max(1, (os.cpu_count() or 1) // slots))


async def establish(
    settings: Settings,
    announce: Announce,
    known: Path | None = None,
    command: CommandTarget | None = None,
) -> Conditions:
    """Slots, budget, environment and sandbox, as the settings ask and the machine allows.

    `known` is the folder of an environment that is prepared already, and `command` the settings'
    target if that has been read.
    """
    table = settings.slots
    command = command or command_target(settings)
    sealed = command is None
    threads = table.threads or (1 if sealed else 0)
    chosen = choose_slots(table.devices, threads, table.memory_gb, with_torch=sealed)
    confined = sandbox.detect(settings.sandbox)
    lacking = " and ".join(confined.missing)
    if settings.sandbox == "required" and lacking:
        raise SandboxMissing(
            f'sandbox = "required", but this machine has no working {lacking}: '
            "see `arl-tui doctor`."
        )
    if settings.sandbox != "off" and lacking:
        sentence = f"Trials run without {lacking} (see `arl-tui doctor`)."
        announce(EngineEvent("warning", sentence))

    if command is not None:
        chosen = tuple(_shared(slot, len(chosen)) for slot in chosen)
        return Conditions(chosen, budget_for(settings, chosen[0].device), command, confined)
    slots = await to_thread.run_sync(
        lambda: tuple(usable_inside(slot, confined) for slot in chosen)
    )
    if slots[0].device != "cpu" and not all(slot.node for slot in slots):
        announce(EngineEvent("warning", "A trial may see other GPUs than its own here."))

    def show(progress: preparation.Progress) -> None:
        data = {"step": progress.step, "fraction": progress.fraction}
        announce(EngineEvent("preparing", f"Preparing data: {progress.step}", data))

    if known is not None:
        environment = manifest.load(known)
    else:
        environment = await preparation.prepare(settings.data, show)
    return Conditions(slots, budget_for(settings, slots[0].device), environment, confined)


def budget_for(settings: Settings, device: str) -> Budget:
    """The budget asked for, or the device's default. Raises SettingsError."""
    table = settings.budget
    if settings.target.command is not None:
        return _command_budget(table)
    on_cpu = device == "cpu"
    return Budget(
        seconds=table.seconds or (CPU_SECONDS if on_cpu else GPU_SECONDS),
        clock=table.clock or ("cpu" if on_cpu else "wall"),
        startup_seconds=table.startup_seconds,
        wall_cap=table.wall_cap,
    )


def _command_budget(table: BudgetTable) -> Budget:
    """A command's deadline; the script keeps to its own budget."""
    if table.clock not in (None, "wall"):
        raise SettingsError(
            f"budget.clock = {table.clock!r} is for sealed targets: a command is held to wall time."
        )
    seconds = table.seconds or GPU_SECONDS
    return Budget(
        seconds=seconds,
        clock="wall",
        startup_seconds=table.startup_seconds,
        wall_cap=table.wall_cap or seconds + table.startup_seconds,
    )
