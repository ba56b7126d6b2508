"""`python train.py` alone: trains on the prepared environment here and now, and prints val-bpb.

For trying a script by hand. There is no sandbox and no supervisor: a study never scores this way.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from env.bpb import load_token_bytes, score
from env.clock import BudgetClock
from env.errors import DataError
from env.harness import seed_everything
from env.manifest import Environment
from env.run import Run
from env.shards import open_rows

_BATCH_ROWS = 16


def main(
    build_model: Callable[[int, int], torch.nn.Module],
    train: Callable[[torch.nn.Module, Run], None],
) -> None:
    """Train under the default budget, or the one on the command line, and print the score."""
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description="Train this script once and print its val-bpb.")
    parser.add_argument("--budget", type=float, default=300.0 if on_gpu else 20.0)
    parser.add_argument("--clock", choices=("wall", "cpu", "steps"), default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    try:
        environment = _environment()
    except DataError as error:
        sys.exit(str(error))
    device = torch.device("cuda" if on_gpu else "cpu")
    clock = BudgetClock(chosen.clock or ("wall" if on_gpu else "cpu"), chosen.budget)
    model = trained(
        build_model,
        train,
        environment,
        clock,
        device=device,
        seed=chosen.seed,
        threads=chosen.threads,
        say=_say,
    )
    print(f"\ntrained {clock.steps} steps in {clock.wall_seconds():.1f} s")
    print(f"val_bpb: {score_model(model, environment, device):.6f}")


def _environment() -> Environment:
    # Only here: what is frozen needs none of the preparation's packages.
    from env.prepare import prepare

    return prepare()


def _say(body: dict[str, Any]) -> None:
    line = f"step {body['step']:6d}  loss {body['loss']:.4f}  {body['progress']:4.0%}"
    print(f"\r{line}", end="", flush=True)


def trained(
    build_model: Callable[[int, int], torch.nn.Module],
    train: Callable[[torch.nn.Module, Run], None],
    environment: Environment,
    clock: BudgetClock,
    *,
    device: torch.device,
    seed: int,
    threads: int,
    say: Callable[[dict[str, Any]], None],
) -> torch.nn.Module:
    """Train a script in this process until its clock is spent; `say` takes its reports."""
    seed_everything(seed, threads)
    run = Run(
        device=device,
        seed=seed,
        vocab_size=environment.vocab_size,
        seq_len=environment.seq_len,
        clock=clock,
        open_rows=lambda: open_rows(environment.train, environment.seq_len, environment.dtype),
        say=say,
    )
    model = build_model(environment.vocab_size, environment.seq_len).to(device)
    train(model, run)
    return model


def score_model(model: torch.nn.Module, environment: Environment, device: torch.device) -> float:
    """val-bpb of a model that was trained here."""
    model.eval()

    @torch.inference_mode()
    def predict(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        logits: torch.Tensor = model(torch.from_numpy(ids).to(device))
        return logits.float().cpu().numpy()

    rows = open_rows(environment.val, environment.seq_len, environment.dtype)
    table = load_token_bytes(environment.token_bytes)
    return score(predict, rows, _BATCH_ROWS, table, seed=0).val_bpb
