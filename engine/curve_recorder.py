"""Records real loss curves: the shipped script and its edits, trained and scored on this machine.

`python -m engine.curve_recorder --output curves.jsonl` resumes when it is interrupted. Each run has
a process of its own, forked from one that has imported torch and nothing else; there is no sandbox,
for every script is ours. The file is what `arl-tui bench selfeval` replays.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import policy
from engine.recorded_curves import GIVEN
from env.errors import DataError
from policy import Outcome, Policy, Proposal
from target import shipped

BASELINES = 6
# A candidate becomes the incumbent when it gains that much: about three times the noise.
_GAIN = 0.03
# Whose edits: near ones that build on each other, far ones of the script as it is given.
_STUDIES = ("local", "random", "ppo", "adaptive")


@dataclass(frozen=True)
class Work:
    """One script to train for `budget` CPU seconds on one thread."""

    number: int
    study: str
    summary: str
    source: str
    seed: int
    budget: float


def train(work: Work) -> dict[str, Any]:
    """Train and score one script here and now: its curve and val-bpb, or how it failed."""
    import torch

    from env.clock import BudgetClock
    from env.harness import built_model, failure_of, load_candidate
    from env.prepare import prepare
    from env.standalone import score_model, trained

    record: dict[str, Any] = {
        "number": work.number,
        "study": work.study,
        "edit": work.summary,
        "seed": work.seed,
        "budget": work.budget,
        "steps": 0,
        "val_bpb": None,
        "failed": None,
        "curve": [],
    }
    environment = prepare()
    reports: list[dict[str, Any]] = []
    try:
        clock = BudgetClock("cpu", work.budget, tolerance=max(1.0, 0.02 * work.budget) / 2)
        module = load_candidate(work.source)
        device = torch.device("cpu")
        model = trained(
            partial(built_model, module),
            lambda model, run: module.train(model, run),  # which built_model has looked for
            environment,
            clock,
            device=device,
            seed=work.seed,
            threads=1,
            say=reports.append,
        )
        record["steps"] = clock.steps
        record["val_bpb"] = round(score_model(model, environment, device), 6)
    except BaseException as error:
        failure = failure_of(error)
        record["failed"] = [failure.status, failure.reason]
    record["curve"] = [
        [round(body["progress"], 4), body["step"], round(body["loss"], 4)] for body in reports
    ]
    return record


class Study:
    """A policy that is told what its edits came to, and builds on those that gain."""

    def __init__(self, number: int) -> None:
        name = _STUDIES[number % len(_STUDIES)]
        self.name = f"{name} {number}"
        self._policy: Policy = policy.make(name, shipped.read(), number)
        self._climbs = name != "random"
        self._best: float | None = None
        self._open: dict[int, Proposal] = {}

    def ask(self, number: int, budget: float) -> Work:
        """The next script."""
        proposal = self._policy.ask()
        self._open[number] = proposal
        return Work(number, self.name, proposal.why, proposal.source, number, budget)

    def tell(self, record: dict[str, Any]) -> None:
        """What became of one."""
        score = record["val_bpb"]
        proposal = self._open.pop(record["number"], None)
        if proposal is None:  # the script as it is given
            if score is not None:
                self._best = score if self._best is None else min(score, self._best)
                self._policy.observe(shipped.read(), Outcome(status="keep", val_bpb=score))
            return
        outcome = Outcome(status="discard", val_bpb=score, seconds=record["budget"])
        if score is None:
            outcome = replace(outcome, status=record["failed"][0])
        elif self._climbs and self._best is not None and score < self._best - _GAIN:
            self._best, outcome = score, replace(outcome, status="keep")
        self._policy.tell(proposal, outcome)


def record_curves(path: Path, count: int, each: int, budget: float, workers: int) -> None:
    """Append curves to a file until it has `count`; `each` of them from one study."""
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    began = time.monotonic()
    context = multiprocessing.get_context("forkserver")
    # The first optimizer would import it: seconds that would count as training.
    context.set_forkserver_preload(["env.harness", "env.standalone", "torch._dynamo"])
    with (
        ProcessPoolExecutor(workers, context, max_tasks_per_child=1) as pool,
        path.open("a") as file,
    ):
        start = len(done)
        while len(done) < count:
            # A study that was cut off goes on as another one.
            study = Study(len(done) // each + (1000 if len(done) % each else 0))
            pending: dict[Future[dict[str, Any]], Work] = {}
            waiting = [
                Work(len(done) + k, study.name, GIVEN, shipped.read(), len(done) + k, budget)
                for k in range(BASELINES)
            ]
            number = len(done) + BASELINES
            end = min(count, (len(done) // each + 1) * each)
            while pending or waiting or number < end:
                while len(pending) < workers and (waiting or number < end):
                    if waiting:
                        work = waiting.pop(0)
                    elif number < end:
                        work, number = study.ask(number, budget), number + 1
                    pending[pool.submit(train, work)] = work
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    del pending[future]
                    record = future.result()
                    study.tell(record)
                    done.append(record)
                    file.write(json.dumps(record) + "\n")
                    file.flush()
                    left = (time.monotonic() - began) / (len(done) - start) * (count - len(done))
                    score = record["val_bpb"] or record["failed"]
                    print(
                        f"{len(done)}/{count}  {score}  {record['edit']}  {left / 60:.0f} min left"
                    )


def main() -> None:
    """Record curves from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--each", type=int, default=50, help="runs of one study")
    parser.add_argument("--budget", type=float, default=10.0, help="CPU seconds of training")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    try:
        from env.prepare import prepare

        prepare()
    except DataError as error:
        sys.exit(str(error))
    record_curves(chosen.output, chosen.count, chosen.each, chosen.budget, chosen.workers)


if __name__ == "__main__":
    main()
