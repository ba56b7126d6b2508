"""Simulated studies with a known optimum, for the tests of a bench: milliseconds per experiment."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from policy import Outcome
from target.sites import find_sites

FAMILIES = ("narrow", "wide")
SOURCE = """\
DEPTH = 4
WIDTH = 64
LR = 0.01
WARMUP = 0.1
"""
TINY = "USE_BIAS = True\n"  # one edit, and nothing is left


@dataclass(frozen=True)
class ToyProblem:
    """Scores rise with the squared distance from an optimum; width above 256 does not fit."""

    seed: int
    steepness: float
    source: str = SOURCE
    sigma: float = 0.01

    @property
    def baseline(self) -> float:
        truth = self.truth(self.source)
        assert truth is not None
        return truth

    @property
    def best(self) -> float:
        return 2.0

    def truth(self, source: str) -> float | None:
        values = {site.name: float(site.value) for site in find_sites(source)}
        if values.get("WIDTH", 0) > 256:
            return None
        depth = math.log2(values.get("DEPTH", 8) / 8)
        rate = math.log2(max(values.get("LR", 0.02), 1e-6) / 0.02)
        bias = values.get("USE_BIAS", 0.0)
        return 2.0 + self.steepness * 0.01 * (depth**2 + rate**2 + bias)

    def run(self, source: str, repetition: int) -> Outcome:
        truth = self.truth(source)
        if truth is None:
            return Outcome(status="oom", seconds=1.0)
        digest = hashlib.sha256(f"{self.seed}:{repetition}:{source}".encode()).digest()
        noise = int.from_bytes(digest[:8], "big") / 2**63 - 1
        return Outcome(status="discard", val_bpb=truth + self.sigma * noise, seconds=5.0)


def make_study(seed: int, family: str) -> ToyProblem:
    """A toy study of the family."""
    return ToyProblem(seed, {"narrow": 8.0, "wide": 2.0}[family])


def make_tiny(seed: int, family: str) -> ToyProblem:
    """A study with a single edit."""
    return ToyProblem(seed, 4.0, TINY)
