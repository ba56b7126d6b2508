"""Policies keep to what a script asserts between its constants, and give up in the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import policy
from policy import Outcome, Policy, PolicyExhausted

SOURCE = """
from frozen import LENGTH

ROWS = 8
TOKENS = 2**12
WIDTH = 64
HEADS = 4
RATE = 0.01
DROP = 0.1

assert TOKENS % (ROWS * LENGTH) == 0
assert WIDTH % HEADS == 0 and WIDTH // HEADS <= 64
print("loss:", RATE)
"""
MODULES = {"frozen": "LENGTH = 64\n"}
NAMES = ["random", "local", "adaptive", "ppo", "tpe", "cmaes"]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    found = str(request.param)
    if found in ("tpe", "cmaes"):
        pytest.importorskip({"tpe": "optuna", "cmaes": "cmaes"}[found])
    return found


@pytest.fixture
def options(name: str, small_weights: Path) -> dict[str, Any]:
    return {"weights": str(small_weights)} if name == "ppo" else {}


def runs(source: str) -> bool:
    """Whether the candidate's asserts hold when it really runs."""
    try:
        exec(source.replace("from frozen import LENGTH", "LENGTH = 64"), {"print": lambda *_: None})  # noqa: S102
    except AssertionError:
        return False
    return True


def told(made: Policy, count: int) -> list[str]:
    """The sources of so many asks; every third candidate is kept."""
    found = []
    for number in range(count):
        proposal = made.ask()
        found.append(proposal.source)
        score = 2.0 + 0.01 * number
        kept = Outcome(status="keep", val_bpb=score)
        made.tell(proposal, kept if number % 3 == 0 else Outcome(status="discard", val_bpb=score))
    return found


def test_no_candidate_breaks_an_assert(name: str, options: dict[str, Any]) -> None:
    made = policy.make(name, SOURCE, 1, sealed=False, modules=MODULES, **options)
    found = told(made, 24)
    assert all(map(runs, found))
    assert len(set(found)) == 24


def test_without_the_frozen_module_an_assert_about_it_is_met_by_running() -> None:
    made = policy.make("random", SOURCE, 1, sealed=False)
    assert not all(map(runs, told(made, 60)))


def test_modules_are_given_again_and_not_saved(name: str, options: dict[str, Any]) -> None:
    made = policy.make(name, SOURCE, 1, sealed=False, modules=MODULES, **options)
    told(made, 5)
    state = json.loads(json.dumps(made.state_dict()))
    assert "LENGTH = 64" not in json.dumps(state)
    resumed = policy.make(name, SOURCE, 2, sealed=False, modules=MODULES, **options)
    resumed.load_state_dict(state)
    assert resumed.ask() == made.ask()


def test_when_every_edit_is_refused_it_gives_up(name: str, options: dict[str, Any]) -> None:
    source = "A = 4\nB = 2\nassert A == 4 and B == 2\n"
    made = policy.make(name, source, 0, sealed=False, **options)
    with pytest.raises(PolicyExhausted):
        made.ask()


def test_one_way_out_is_found(name: str, options: dict[str, Any]) -> None:
    source = "A = 4\nB = 8\nC = False\nassert A * B == 32 and A == 4\n"
    made = policy.make(name, source, 0, sealed=False, **options)
    proposal = made.ask()
    assert proposal.source == source.replace("False", "True")
    made.tell(proposal, Outcome(status="discard", val_bpb=1.0))
    with pytest.raises(PolicyExhausted):
        made.ask()
