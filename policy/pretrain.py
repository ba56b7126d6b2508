"""Trains the shipped policy on simulated studies with PPO: `python -m policy.pretrain`.

Resumes where it was interrupted, and keeps the weights that do best on held-out families. With
several workers each simulates its own studies and gradients are averaged, as on several GPUs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from policy import ppo, weights
from policy.families import FAMILIES, HELD_OUT, TRAINING
from policy.features import Observation
from policy.lab import Lab, sample_untried
from policy.network import Action, EditNetwork, Shape
from policy.simulator import Studies

_SITES = (6, 8, 10, 12, 14, 14, 16, 18, 20, 24)
_HORIZONS = (50, 100)
_EVALUATED = 16  # studies of each held-out family, in each worker
_CHECKED = (50, 100)  # experiments after which they are judged
_EVERY = 10  # updates between evaluations
_HELD_OUT_SEED = 10_000
_MEETING = "meeting"  # the file through which workers find each other


@dataclass(frozen=True)
class Plan:
    """What to train, and for how long; all of it is in the checkpoint."""

    decisions: int = 2_600_000
    studies: int = 96  # at once, in each worker
    workers: int = 1
    seed: int = 0
    rate: float = 1.5e-3  # falls linearly to a twentieth
    entropy: float = 0.003  # falls linearly to nothing
    lambda_: float = 0.8  # of GAE: gradients agree best at 0.8, see docs/policy.md
    shape: Shape = field(default_factory=Shape)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m policy.pretrain", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--decisions", type=int, default=Plan.decisions)
    parser.add_argument("--studies", type=int, default=Plan.studies)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    given = vars(parser.parse_args())
    output = given.pop("output")
    output.mkdir(parents=True, exist_ok=True)
    plan = Plan(**given)
    if plan.workers == 1:
        _work(0, plan, output)
        return
    (output / _MEETING).unlink(missing_ok=True)
    mp.spawn(_work, args=(plan, output), nprocs=plan.workers)  # type: ignore[attr-defined,no-untyped-call]


def _work(rank: int, plan: Plan, output: Path) -> None:
    torch.set_num_threads(1)
    if plan.workers > 1:
        meeting = f"file://{(output / _MEETING).resolve()}"
        dist.init_process_group("gloo", meeting, rank=rank, world_size=plan.workers)
    try:
        Trainer(rank, plan, output).run()
    finally:
        if plan.workers > 1:
            dist.destroy_process_group()


class Trainer:
    """One worker of a pretraining run."""

    def __init__(self, rank: int, plan: Plan, output: Path) -> None:
        self._rank, self._plan, self._output = rank, plan, output
        self._checkpoint = output / "checkpoint.pt"
        torch.manual_seed(plan.seed)
        self.network = EditNetwork(plan.shape)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=plan.rate, eps=1e-5)
        self._decisions, self._updates, self._best = 0, 0, -float("inf")
        self._gained = 0.0
        if self._checkpoint.exists():
            self._resume()

    def run(self) -> None:
        """Train until the plan's decisions are made."""
        plan = self._plan
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, disable=self._rank > 0) as progress:
            task = progress.add_task("pretraining", total=plan.decisions, completed=self._decisions)
            parent = os.getppid()
            if self._decisions == 0 and self._rank == 0:  # for comparison
                weights.save(self.network, self._output / "untrained.safetensors")
            while self._decisions < plan.decisions:
                if os.getppid() != parent and plan.workers > 1:
                    raise SystemExit("the main process has ended")
                began = time.monotonic()
                metrics = self._train_once()
                row: dict[str, Any] = asdict(metrics) | {
                    "update": self._updates,
                    "gained": self._gained,  # decrease of log regret in this worker's studies
                    "decisions": self._decisions,
                    "seconds": round(time.monotonic() - began, 2),
                }
                if self._updates % _EVERY == 0 or self._decisions >= plan.decisions:
                    row["held_out"] = self._evaluate()
                    self._keep_if_best(row["held_out"])
                    self._save()
                if self._rank == 0:
                    with (self._output / "log.jsonl").open("a") as log:
                        log.write(json.dumps(row) + "\n")
                progress.update(task, completed=self._decisions)

    def _train_once(self) -> ppo.Metrics:
        plan = self._plan
        done = self._decisions / plan.decisions
        for group in self._optimizer.param_groups:
            group["lr"] = plan.rate * max(0.05, 1 - done)
        # Each update draws from its own seed, so that a resumed run goes on in the same way.
        generator = torch.Generator().manual_seed(
            (plan.seed * 1_000_003 + self._updates) * plan.workers + self._rank
        )
        shared = torch.Generator().manual_seed(plan.seed * 1_000_003 + self._updates)
        sites = _SITES[int(torch.randint(len(_SITES), (), generator=shared))]
        low, high = _HORIZONS
        horizon = int(torch.randint(low, high + 1, (), generator=shared))
        picks = torch.randint(len(TRAINING), (plan.studies,), generator=generator).tolist()
        studies = Studies([TRAINING[i] for i in picks], sites, generator)
        lab = Lab(studies, horizon, generator)
        batch = collect(self.network, lab, generator, plan.lambda_)
        settings = replace(
            ppo.Settings(),
            epochs=1,
            minibatch=320,
            entropy_weight=plan.entropy * max(0.0, 1 - done),
        )
        self._gained = float((lab.start - lab.log_regret()).mean())
        share = self._share if plan.workers > 1 else None
        metrics = ppo.update(self.network, self._optimizer, batch, settings, generator, share)
        self._updates += 1
        self._decisions += plan.workers * plan.studies * horizon
        return metrics

    def _share(self) -> None:
        for parameter in self.network.parameters():
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= self._plan.workers

    def _evaluate(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(_HELD_OUT_SEED + self._rank)
        gains: dict[str, Tensor] = {}
        for family in (*HELD_OUT, FAMILIES["nameless"]):
            studies = Studies([family] * _EVALUATED, 14, generator)
            lab = Lab(studies, max(_CHECKED), generator)
            before = (lab.regret() + 1).log()
            with torch.no_grad():
                for number in range(1, max(_CHECKED) + 1):
                    encoded = self.network.encode(lab.observation())
                    lab.run(sample_untried(lab, self.network, encoded, generator))
                    if number in _CHECKED:
                        gain = before - (lab.regret() + 1).log()
                        gains[f"{family.name} {number}"] = gain.mean()
        found = torch.stack(list(gains.values()))
        if self._plan.workers > 1:
            dist.all_reduce(found)
            found /= self._plan.workers
        return {"mean": float(found.mean())} | dict(zip(gains, found.tolist(), strict=True))

    def _keep_if_best(self, found: dict[str, float]) -> None:
        if found["mean"] > self._best:
            self._best = found["mean"]
            if self._rank == 0:
                weights.save(self.network, self._output / "best.safetensors")

    def _save(self) -> None:
        if self._rank > 0:
            return
        state = {
            "plan": json.dumps(asdict(self._plan)),
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "decisions": self._decisions,
            "updates": self._updates,
            "best": self._best,
        }
        partial = self._checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._checkpoint)

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, weights_only=True)
        was = json.loads(state["plan"])
        now = json.loads(json.dumps(asdict(self._plan)))
        changed = [key for key in now if now[key] != was.get(key)]
        if changed:
            raise SystemExit(
                f"{self._checkpoint} was made with other settings ({', '.join(changed)}): "
                "use them again, or another --output"
            )
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._decisions, self._updates = state["decisions"], state["updates"]
        self._best = state["best"]


def collect(
    network: EditNetwork, lab: Lab, generator: torch.Generator, lambda_: float
) -> ppo.Batch:
    """Play the lab's studies to their end; the decisions in the order [T * B]."""
    seen: list[Observation] = []
    moves, logs, values, rewards, truths = [], [], [], [], []
    with torch.no_grad():
        for _ in range(lab.horizon):
            observation, truth = lab.observation(), lab.truth()
            encoded = network.encode(observation)
            action = sample_untried(lab, network, encoded, generator)
            seen.append(observation)
            moves.append(action.moves)
            logs.append(network.evaluate(encoded, action).log_prob)
            values.append(network.value(encoded, truth))
            truths.append(truth)
            rewards.append(lab.run(action))
    advantage, returns = ppo.advantages(torch.stack(rewards), torch.stack(values), lambda_=lambda_)
    return ppo.Batch(
        seen=Observation(*(torch.cat(parts) for parts in zip(*seen, strict=True))),
        action=Action(torch.cat(moves)),
        log_prob=torch.cat(logs),
        advantage=advantage.flatten(),
        returns=returns.flatten(),
        truth=torch.cat(truths),
    )


if __name__ == "__main__":
    main()
