"""The trial process: builds a candidate's model, and lets it train for exactly one budget.

It runs in the sandbox, together with the candidate. It owns seeds, data and clock as far as an
honest candidate goes; the supervisor outside measures both again, and hands over the training
data only when the clock starts.
"""

from __future__ import annotations

import importlib
import os
import random
import resource
import sys
import traceback
import types
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from env.channel import Channel
from env.clock import BudgetClock
from env.failure import Failure
from env.run import Run
from env.shards import Tokens, open_rows

_CANDIDATE = os.path.join(os.environ.get("TMPDIR", "/tmp"), "train.py")


def load_candidate(source: str, name: str = "train") -> types.ModuleType:
    """Execute a candidate's source as a module. It lies on disk too, as torch.compile needs."""
    with open(_CANDIDATE, "w", encoding="utf-8", newline="") as file:
        file.write(source)
    module = types.ModuleType(name)
    module.__file__ = _CANDIDATE
    sys.modules[name] = module
    code = compile(source, _CANDIDATE, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - running it is the purpose
    return module


def built_model(module: types.ModuleType, vocab_size: int, seq_len: int) -> torch.nn.Module:
    """What a candidate's `build_model` returns. Raises Failure when it is no model."""
    for name in ("build_model", "train"):
        if not callable(getattr(module, name, None)):
            raise Failure("invalid", f"the script must define {name}")
    model = module.build_model(vocab_size, seq_len)
    if not isinstance(model, torch.nn.Module):
        kind = type(model).__name__
        raise Failure("invalid", f"build_model must return a torch.nn.Module, not {kind}")
    return model


def seed_everything(seed: int, threads: int) -> None:
    """Seed torch, numpy and random, and use as many threads as the slot has."""
    torch.set_num_threads(threads)
    random.seed(seed)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    torch.set_float32_matmul_precision("high")


def _train(order: dict[str, Any], channel: Channel) -> None:
    seed_everything(int(order["seed"]), int(order["threads"]))
    channel.send({"type": "loaded"})  # from here on the candidate's code runs
    clock = BudgetClock(
        order["clock"],
        float(order["budget"]),
        tolerance=float(order["tolerance"]),
        free_startup=float(order["free_startup"]),
    )
    module = load_candidate(order["source"])
    run = Run(
        device=torch.device(order["device"]),
        seed=int(order["seed"]),
        vocab_size=int(order["vocab_size"]),
        seq_len=int(order["seq_len"]),
        clock=clock,
        open_rows=lambda: _receive_rows(order, channel, clock),
        say=channel.send,
    )
    model = built_model(module, run.vocab_size, run.seq_len).to(run.device)
    module.train(model, run)
    if run.device.type == "cuda":
        torch.cuda.synchronize(run.device)
    if clock.steps == 0:
        raise Failure("crash", "train() returned without taking a batch")
    state = model.state_dict()
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    channel.send({"type": "trained", "seconds": clock.wall_seconds(), "steps": clock.steps})
    with os.fdopen(int(sys.argv[2]), "wb") as file:
        file.write(save(weights))
    channel.send({"type": "saved", "peak_memory_mb": peak_memory_mb(run.device)})


def _receive_rows(order: dict[str, Any], channel: Channel, clock: BudgetClock) -> Tokens:
    """Say that all is ready, and wait for the data: the clock outside starts with it."""
    channel.send({"type": "ready"})
    go, descriptor = channel.receive_descriptor()
    clock.forgive(float(go["held"]))
    try:
        return open_rows(descriptor, int(order["seq_len"]), order["dtype"])
    finally:
        os.close(descriptor)


def peak_memory_mb(device: torch.device) -> float:
    """The peak of this process: device memory on a GPU, resident memory on a CPU, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def failure_of(error: BaseException) -> Failure:
    """Say in the design's words how a candidate failed, with the line of it that did."""
    if isinstance(error, Failure):
        return error
    text = " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())[:500]
    memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        words in text
        for words in (
            "not enough memory",
            "allocate memory",
            "bad_alloc",
            "out of memory",
            "ALLOC_FAILED",
        )
    )
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == _CANDIDATE]
    where = f" (line {lines[-1]})" if lines else ""
    reason = (text + where).encode("utf-8", "replace").decode()
    return Failure("oom" if memory else "crash", reason)


def main() -> None:
    """Serve one trial: argv holds the channel's and the weights' file descriptors.

    The order may come much later: until then it waits with all imported that any candidate needs.
    """
    channel = Channel(int(sys.argv[1]))
    os.set_inheritable(int(sys.argv[2]), False)
    # The first optimizer would import it: seconds that would count as training.
    importlib.import_module("torch._dynamo")
    order = channel.receive()
    code = 0
    try:
        _train(order, channel)
    except BaseException as error:  # also SystemExit, and whatever the candidate invents
        traceback.print_exc()
        failure = failure_of(error)
        channel.send({"type": "failed", "status": failure.status, "reason": failure.reason})
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # no exit handlers and no waiting for the candidate's threads


if __name__ == "__main__":
    main()
