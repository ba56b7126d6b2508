"""Where an assert cannot be read, the default policy learns from crashes to begin elsewhere."""

from __future__ import annotations

import random

import pytest

import policy
from policy import Outcome
from policy.contract import propose
from target import lattice
from target.constraints import constraints
from target.edit import Edit, change
from target.sites import find_sites

SCRIPT = """
import opaque
TOKENS = 2**16
ROWS = 8
WIDTH = 192
HEADS = 6
RATE = 0.01
DECAY = 0.1
WARMUP = 0.1
DROPOUT = 0.1
assert opaque.fits(TOKENS, ROWS, WIDTH, HEADS)
"""


def chance_after(site: str, *, crashes: bool) -> float:
    """How likely the next edit begins at the site, once every site was tried both ways, twice.

    Nothing was better than the script as given; steps of the site crashed, or were no better.
    """
    made = policy.make("ppo", SCRIPT, 0, sealed=False, online=False)
    for score in (1.0, 1.003):
        made.observe(SCRIPT, Outcome(status="discard", val_bpb=score))
    rng, number = random.Random(1), 0
    for steps in (1, -1, 2, -2):
        for other in find_sites(SCRIPT):
            value = lattice.step(other, other.value, steps)
            if value is None:
                continue
            edit = Edit((change(other, value),))
            proposal = propose(edit, SCRIPT, number=number, sealed=False)
            assert proposal is not None
            scored = Outcome(status="discard", val_bpb=1.003 + 0.002 * rng.random())
            crashed = crashes and other.id == site
            made.tell(proposal, Outcome(status="crash") if crashed else scored)
            number += 1
    return dict(made.insight()["sites"])[site]


@pytest.mark.parametrize("site", ["TOKENS", "ROWS", "WIDTH", "HEADS"])
def test_a_site_that_crashes_is_begun_with_less_often(site: str) -> None:
    assert [found.holds for found in constraints(SCRIPT)] == [None]
    assert chance_after(site, crashes=True) < 0.85 * chance_after(site, crashes=False)
