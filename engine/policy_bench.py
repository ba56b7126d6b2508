"""One policy on one problem, for a bench: who takes part, the climb, and what is recorded of it.

Scores are lower-is-better everywhere. A candidate that scores below the incumbent is told as `keep`
and is the next incumbent; any other score is told as `discard`, and a failure with its status.
The incumbent's score is the one noisy score that made it so.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Protocol

import policy
from policy import Outcome, Policy, PolicyExhausted, Proposal

# Studies of a bench have seeds of their own: what trains a policy beforehand stays below.
FIRST_SEED = 1_000_000_000
MOST_STUDIES = 10_000
MOST_SEEDS = 100_000


class BenchError(Exception):
    """A bench that cannot run as asked; one sentence for people."""


@dataclass(frozen=True)
class Contestant:
    """A policy with its options; the label is what the person wrote."""

    label: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, source: str, seed: int) -> Policy:
        """The policy for a study. Raises policy.PolicyError."""
        made = policy.make(self.name, source, policy_seed(seed), **self.options)
        torch = sys.modules.get("torch")  # more threads would change a network's last digits
        if torch is not None:
            torch.set_num_threads(1)
        return made


def contestants(texts: Iterable[str]) -> tuple[Contestant, ...]:
    """The policies that `name:key=value:key=value,name` names. Raises BenchError."""
    found: dict[str, Contestant] = {}
    for text in texts:
        for spec in re.split(r",(?=\s*[A-Za-z]|\s*$)", text):
            contestant = _contestant(spec.strip())
            if contestant.label in found:
                raise BenchError(f"The policy {contestant.label} is named twice.")
            found[contestant.label] = contestant
    return tuple(found.values())


def _contestant(spec: str) -> Contestant:
    name, *pairs = re.split(r":(?=[A-Za-z_]\w*=)", spec)
    if not re.fullmatch(r"[A-Za-z][\w-]*", name):
        raise BenchError(f"{spec!r} names no policy: write NAME or NAME:OPTION=VALUE.")
    options: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return Contestant(spec, name, options)


def study_seeds(seed: int, studies: int) -> tuple[int, ...]:
    """The seeds of a bench's studies; benches of other seeds have others."""
    start = FIRST_SEED + seed * MOST_STUDIES
    return tuple(range(start, start + studies))


def policy_seed(study_seed: int) -> int:
    """31 bits for a study's policies, all alike; nothing that the study draws has this seed."""
    digest = hashlib.blake2b(f"policy:{study_seed}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


class Problem(Protocol):
    """A study whose truth is known."""

    @property
    def source(self) -> str:
        """The script as given."""

    @property
    def baseline(self) -> float:
        """The noiseless score of `source`."""

    @property
    def sigma(self) -> float:
        """The standard deviation of the noise."""

    @property
    def best(self) -> float:
        """The noiseless score of the best configuration known."""

    def run(self, source: str, repetition: int) -> Outcome:
        """A noisy run."""

    def truth(self, source: str) -> float | None:
        """The noiseless score, or None for a candidate that fails."""


@dataclass(frozen=True)
class StudyRecord:
    """What a policy did in a study.

    Entry k of `curve` is the incumbent after k experiments: of a simulated study its true score in
    sigma, seen from the baseline; of a real one its measured score. `span` is how far below the
    baseline the best known lies, on the curve's scale; None where nobody knows. `confirmed` has the
    scores of the last incumbent's `reruns` runs with fresh seeds, less those that failed.
    """

    policy: str
    problem: str
    seed: int
    curve: tuple[float, ...]
    span: float | None
    statuses: dict[str, int]
    exhausted_after: int | None
    ask_seconds: float
    tell_seconds: float
    reruns: int = 0
    confirmed: tuple[float, ...] = ()

    def regret(self, after: int) -> float | None:
        """The share of the possible gain that is left: 1 at the baseline, 0 at the best known.

        Where less than one sigma can be gained, it is counted in sigma.
        """
        if self.span is None:
            return None
        return (self.span + self.curve[after]) / max(self.span, 1.0)


class Climb:
    """A policy at work, one experiment at a time; whoever drives it runs the proposals."""

    def __init__(
        self,
        contestant: Contestant,
        source: str,
        seed: int,
        baseline: Outcome,
        value: Callable[[str, float], float] = lambda source, score: score,
    ) -> None:
        """`value` gives the curve's entry for an incumbent and its score."""
        if baseline.val_bpb is None:
            raise BenchError(f"The baseline of study {seed} ended as {baseline.status}.")
        self.incumbent = source
        self.ask_seconds = 0.0
        self._contestant = contestant
        self._seed = seed
        self._score = baseline.val_bpb
        self._value = value
        self._curve = [value(source, self._score)]
        self._statuses: Counter[str] = Counter()
        self._exhausted_after: int | None = None
        self._tell_seconds = 0.0
        self._policy = contestant.make(source, seed)
        self._policy.observe(source, replace(baseline, status="keep"))

    @property
    def value(self) -> float:
        """The curve's last entry."""
        return self._curve[-1]

    def ask(self) -> Proposal | None:
        """The policy's next proposal, None when it has no more."""
        started = perf_counter()
        try:
            return self._policy.ask()
        except PolicyExhausted:
            self._exhausted_after = len(self._curve) - 1
            return None
        finally:
            self.ask_seconds += perf_counter() - started

    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """Compare with the incumbent, and let the policy learn."""
        score = outcome.val_bpb
        if score is not None:
            better = score < self._score
            outcome = replace(outcome, status="keep" if better else "discard")
            if better:
                self.incumbent, self._score = proposal.source, score
        self._statuses[outcome.status] += 1
        self._curve.append(self._value(self.incumbent, self._score))
        started = perf_counter()
        self._policy.tell(proposal, outcome)
        self._tell_seconds += perf_counter() - started

    def record(
        self,
        problem: str,
        experiments: int,
        *,
        span: float | None = None,
        reruns: int = 0,
        confirmed: tuple[float, ...] = (),
    ) -> StudyRecord:
        """The record; after the policy's last proposal the curve stays flat."""
        rest = [self.value] * (experiments + 1 - len(self._curve))
        return StudyRecord(
            policy=self._contestant.label,
            problem=problem,
            seed=self._seed,
            curve=(*self._curve, *rest),
            span=span,
            statuses=dict(sorted(self._statuses.items())),
            exhausted_after=self._exhausted_after,
            ask_seconds=self.ask_seconds,
            tell_seconds=self._tell_seconds,
            reruns=reruns,
            confirmed=confirmed,
        )


def run_study(
    contestant: Contestant, problem: Problem, name: str, seed: int, experiments: int
) -> StudyRecord:
    """A policy in a study whose truth is known, from the baseline to the last experiment."""

    def value(source: str, score: float) -> float:
        truth = problem.truth(source)
        if truth is None:
            raise BenchError(f"Study {seed} ({name}) scored {score:g} for a script that fails.")
        return (truth - problem.baseline) / problem.sigma

    climb = Climb(contestant, problem.source, seed, problem.run(problem.source, 0), value)
    for _ in range(experiments):
        proposal = climb.ask()
        if proposal is None:
            break
        climb.tell(proposal, problem.run(proposal.source, 0))
    span = (problem.baseline - problem.best) / problem.sigma
    return climb.record(name, experiments, span=span)
