"""The orders that supervisors carry out: one to train a candidate, one to score its weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from engine.executor import Budget, Slot, TrialRequest
from env import sandbox
from env.manifest import Environment
from env.sandbox import Sandbox

LOG_BYTES = 128 << 10
WEIGHTS_BYTES = 16 << 30
SCRATCH_BYTES = 2 << 30
MAX_PROCESSES = 128
FINISH_SECONDS = 30.0
# The clock runs on while weights are handed in; this much more is allowed for it.
FINISH_GRACE = 0.5
FINISH_BYTES_PER_SECOND = 50e6
# Address space that is mapped and never touched: libraries, and stacks and arenas of threads.
_ADDRESS_SPACE_SLACK = 8 << 30
_ADDRESS_SPACE_OF_THREAD = 256 << 20
_LOGITS_BYTES = 64 << 20  # of shared memory for one batch of logits


def train(
    slot: Slot, budget: Budget, environment: Environment, confined: Sandbox, folder: Path
) -> dict[str, Any]:
    """The order to train some candidate, which `candidate` names later.

    Its weights go to `folder`/weights.
    """
    argv = [*sandbox.MODULE, "env.harness", "{channel}", "{weights}"]
    return {
        **_confined(argv, slot, confined, folder, "trial"),
        **_watched(confined, folder),
        "files": {"weights": (str(folder / "weights"), "w")},
        "train": str(environment.train),
        "accepts": ("saved", "failed"),
        "clock": {
            "kind": budget.clock,
            "budget": budget.seconds,
            "tolerance": budget.tolerance,
            "free_startup": budget.free_startup,
            "finish_grace": FINISH_GRACE,
            "finish_bytes_per_second": FINISH_BYTES_PER_SECOND,
            # Whatever is scored meanwhile would take time from it.
            "held": budget.clock == "wall",
        },
        "startup_seconds": budget.startup_seconds,
        "wall_cap": budget.cap,
        "finish_seconds": FINISH_SECONDS,
        "memory_bytes": slot.memory_bytes,
        "max_processes": MAX_PROCESSES,
        "log_bytes": LOG_BYTES,
        "rlimits": _rlimits(slot, folder),
    }


def candidate(request: TrialRequest, environment: Environment) -> dict[str, Any]:
    """What completes an order to train: which candidate, and how."""
    slot, budget = request.slot, request.budget
    return {
        "config": {
            "source": request.source,
            "seed": request.seed,
            "clock": budget.clock,
            "budget": budget.seconds,
            "tolerance": budget.tolerance / 2,  # a batch may take longer than the one before
            "free_startup": budget.free_startup,
            "device": sandbox.device_inside(slot.device),
            "threads": slot.threads,
            "vocab_size": environment.vocab_size,
            "seq_len": environment.seq_len,
            "dtype": environment.dtype,
        },
    }


def score(
    request: TrialRequest,
    environment: Environment,
    confined: Sandbox,
    folder: Path,
    seconds: float,
) -> dict[str, Any]:
    """The order to score the weights in `folder`, within `seconds` of wall time."""
    slot = request.slot
    inside = sandbox.device_inside(slot.device)
    logits_row = 4 * environment.seq_len * environment.vocab_size
    batch_rows = max(1, min(64, _LOGITS_BYTES // logits_row))
    model_argv = [*sandbox.MODULE, "env.model_process"]
    model_argv += ["{channel}", "{weights}", "{ids}", "{logits}"]
    return {
        "argv": [*sandbox.MODULE, "env.scorer", "{channel}"],
        "env": sandbox.environment(slot.device, slot.threads),
        "cwd": "/",
        **_watched(confined, folder),
        "files": {},
        "accepts": ("scored", "failed"),
        "clock": None,
        "startup_seconds": seconds,
        "memory_bytes": slot.memory_bytes,
        "max_processes": MAX_PROCESSES,
        "log_bytes": LOG_BYTES,
        "rlimits": {"core": 0},
        "config": {
            "source": request.source,
            "seed": request.seed,
            "weights": str(folder / "weights"),
            "weights_bytes": min(WEIGHTS_BYTES, slot.memory_bytes),
            "shard": str(environment.val),
            "sealed": str(environment.sealed) if request.sealed else None,
            "token_bytes": str(environment.token_bytes),
            "batch_rows": batch_rows,
            "device": inside,
            "threads": slot.threads,
            "vocab_size": environment.vocab_size,
            "seq_len": environment.seq_len,
            "dtype": environment.dtype,
            # Each with a scratch folder of its own: one must not tell the other what it saw.
            "models": [
                _confined(model_argv, slot, confined, folder, name) for name in ("model", "witness")
            ],
            "model_rlimits": _rlimits(slot, folder),
        },
    }


def score_seconds(environment: Environment, startup_seconds: float) -> float:
    """A generous bound on scoring: as long as start-up may take, and time per scored token."""
    return startup_seconds + 60.0 + environment.rows["val"] * environment.seq_len / 1000.0


def _confined(
    argv: list[str], slot: Slot, confined: Sandbox, folder: Path, name: str
) -> dict[str, Any]:
    """The command that runs `argv` confined, its environment and its working folder."""
    scratch = sandbox.SCRATCH
    if confined.bwrap is None:
        own = folder / "scratch" / name
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = str(own)
    return {
        "argv": confined.wrap(argv, slot.device, SCRATCH_BYTES, scratch=scratch, node=slot.node),
        "env": sandbox.environment(slot.device, slot.threads, scratch, slot.uuid),
        "cwd": "/" if confined.bwrap else scratch,
    }


def _watched(confined: Sandbox, folder: Path) -> dict[str, Any]:
    """The scratch folders to be measured; bubblewrap's are bounded by themselves."""
    shared = confined.bwrap is None
    return {
        "scratch": str(folder / "scratch") if shared else None,
        "scratch_bytes": SCRATCH_BYTES,
    }


def _rlimits(slot: Slot, folder: Path) -> dict[str, int]:
    # Weights must not fill the disk that the study's database lies on.
    largest = min(WEIGHTS_BYTES, shutil.disk_usage(folder).free // 2)
    limits = {"core": 0, "nofile": 4096, "fsize": largest}
    if not slot.device.startswith("cuda"):  # CUDA reserves far more address space than it uses
        slack = _ADDRESS_SPACE_SLACK + slot.threads * _ADDRESS_SPACE_OF_THREAD
        limits["as"] = slot.memory_bytes + slack
    return limits
