"""What all trials of a run share: slots, budget, environment and sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from anyio import to_thread

from engine import preparation
from engine.devices import choose_slots, device_model, usable_inside
from engine.events import Announce, EngineEvent
from engine.executor import Budget, Slot
from engine.settings import Settings
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
    environment: Environment
    confined: Sandbox

    @property
    def layers(self) -> list[str]:
        """The names of the layers that confine candidates."""
        alone = all(slot.node for slot in self.slots)
        return [*self.confined.layers, *(["own GPU alone"] if alone else [])]

    @property
    def epoch(self) -> NewEpoch:
        """What makes scores comparable, and a record of the rest."""
        environment = self.environment
        return NewEpoch(
            environment_digest=environment.digest,
            budget=self.budget.seconds,
            clock=self.budget.clock,
            device_model=device_model(self.slots),
            torch_version=version("torch"),
            environment={
                "name": environment.name,
                "path": str(environment.path),
                "corpus": environment.corpus,
                "vocab_size": environment.vocab_size,
                "seq_len": environment.seq_len,
                "unigram_bpb": environment.unigram_bpb,
                "sandbox": self.layers,
            },
        )


async def establish(
    settings: Settings, announce: Announce, known: Path | None = None
) -> Conditions:
    """Slots, budget, environment and sandbox, as the settings ask and the machine allows.

    `known` is the folder of an environment that is prepared already.
    """
    chosen = choose_slots(settings.slots.devices, settings.slots.threads, settings.slots.memory_gb)
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
    """The budget asked for, or the device's default."""
    table = settings.budget
    on_cpu = device == "cpu"
    return Budget(
        seconds=table.seconds or (CPU_SECONDS if on_cpu else GPU_SECONDS),
        clock=table.clock or ("cpu" if on_cpu else "wall"),
        startup_seconds=table.startup_seconds,
        wall_cap=table.wall_cap,
    )
