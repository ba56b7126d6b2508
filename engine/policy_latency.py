"""How long a policy takes to be asked and told, on a made-up script of so many sites."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median, quantiles

import policy
from policy.contract import Outcome

_HEAD = """\
def build_model(vocab_size, seq_len):
    ...


def train(model, run):
    ...


"""
# As many kinds of lattice as scripts have: integers, powers, rates, ratios, betas, choices.
_LITERALS = ("6", "2**10", "0.02", "0.3", "0.95", "False", "1.0")
_NAMES = ("DEPTH", "BATCH", "LR", "WARM_RATIO", "BETA", "SWITCH", "SCALE")


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one call: the median, the 90 % quantile and the longest."""

    call: str
    median: float
    p90: float
    longest: float


def script(sites: int) -> str:
    """A script with so many constants."""
    lines = [
        f"{_NAMES[i % len(_NAMES)]}_{i} = {_LITERALS[i % len(_LITERALS)]}\n" for i in range(sites)
    ]
    return _HEAD + "".join(lines)


def measure(name: str, sites: int, experiments: int) -> list[Latency]:
    """Ask and tell; every third outcome is an improvement, every fifth a failure."""
    made = policy.make(name, script(sites), seed=0)
    best = 1.0
    asks, tells = [], []
    for number in range(experiments):
        began = time.perf_counter()
        proposal = made.ask()
        asked = time.perf_counter()
        if number % 5 == 4:
            outcome = Outcome(status="oom")
        elif number % 3 == 2:
            best -= 0.001
            outcome = Outcome(status="keep", val_bpb=best, seconds=10.0)
        else:
            outcome = Outcome(status="discard", val_bpb=best + 0.002, seconds=10.0)
        told = time.perf_counter()
        made.tell(proposal, outcome)
        asks.append(1000 * (asked - began))
        tells.append(1000 * (time.perf_counter() - told))
    return [_latency("ask", asks), _latency("tell", tells)]


def _latency(call: str, times: list[float]) -> Latency:
    ninth = quantiles(times, n=10)[8] if len(times) > 1 else times[0]
    return Latency(call, median(times), ninth, max(times))
