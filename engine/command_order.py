"""The order that runs a command target once, for a supervisor to carry out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from engine.command_target import CommandTarget
from engine.executor import Budget, Slot
from engine.orders import LOG_BYTES, SCRATCH_BYTES, WEIGHTS_BYTES
from engine.work_copy import Layout
from env import interpreters, sandbox
from env.access import Access
from env.command_environment import command_environment
from env.sandbox import Sandbox

SEED = "ARL_SEED"  # a variable that a script may read: each run has its own
MAX_PROCESSES = 2048  # data loaders and compilers start many
_SHELL = "/bin/sh"


def command(
    target: CommandTarget,
    layout: Layout,
    slot: Slot,
    budget: Budget,
    confined: Sandbox,
    folder: Path,
    seed: int,
) -> dict[str, Any]:
    """The order to run the command in the work copy `folder`/work.

    What it writes there, and without bubblewrap elsewhere, is bounded.
    """
    work, scratch = folder / "work", folder / "scratch"
    scratch.mkdir(mode=0o700, exist_ok=True)
    variables = command_environment(
        slot.device,
        slot.threads,
        home=home(),
        scratch=sandbox.SCRATCH if confined.bwrap else str(scratch),
        uuid=slot.uuid,
        set_={SEED: str(seed), **target.access.env},
        passed=target.access.pass_env,
    )
    fixed = dict.fromkeys((*layout.shared, *target.frozen.digests))
    access = Access(
        work=str(target.folder),
        folder=str(work),
        shared=tuple(str(target.folder / name) for name in fixed),
        read=(
            *target.access.read,
            *layout.links,
            *interpreters.prefixes(target.command, variables.get("PATH", ""), str(target.folder)),
        ),
        write=target.access.write,
        home=home(),
        network=target.access.network,
    )
    shell = [_SHELL, "-c", target.command]
    return {
        "argv": confined.wrap_command(
            shell, slot.device, SCRATCH_BYTES, access, scratch=str(scratch), node=slot.node
        ),
        "env": variables,
        "cwd": "/" if confined.bwrap else str(work),
        "scratch": str(folder),
        "scratch_bytes": SCRATCH_BYTES + 2 * layout.bytes,
        "files": {},
        "accepts": (),
        "clock": None,
        "output": {
            "score": target.pattern,
            "memory": target.metric.memory_pattern,
            "progress": target.progress,
            "seconds": budget.seconds,
        },
        "startup_seconds": budget.cap,
        "wall_cap": budget.cap,
        "finish_seconds": 0.0,
        "memory_bytes": slot.memory_bytes,
        "max_processes": MAX_PROCESSES,
        "log_bytes": LOG_BYTES,
        "rlimits": {"core": 0, "fsize": min(WEIGHTS_BYTES, shutil.disk_usage(folder).free // 2)},
    }


def home() -> str:
    """The person's home folder."""
    return os.path.expanduser("~")
