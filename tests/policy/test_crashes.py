"""What crashed is tried less, until it has run; and a study with an opaque assert crashes less."""

from __future__ import annotations

import json
import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import policy
from policy import Outcome
from policy.crashes import CrashMemory
from target.sites import find_sites

PARENT = {0: 0, 1: 0, 2: 0}


def test_what_crashed_alone_is_hardly_tried_again() -> None:
    memory = CrashMemory()
    memory.tell(PARENT, {0: 1, 1: 0, 2: 0}, crashed=True)
    once = memory.chance(PARENT, {0: 1, 1: 0, 2: 0})
    assert 0 < once < 0.3
    assert memory.chance(PARENT, {0: 1, 1: 3, 2: 0}) == once
    assert memory.chance(PARENT, {0: 2, 1: 0, 2: 0}) == 1
    memory.tell(PARENT, {0: 1, 1: 1, 2: 0}, crashed=True)
    assert memory.chance(PARENT, {0: 1, 1: 0, 2: 0}) < once


def test_a_crash_of_several_changes_is_shared_among_them() -> None:
    memory = CrashMemory()
    memory.tell(PARENT, {0: 1, 1: 1, 2: 0}, crashed=True)
    alone = memory.chance(PARENT, {0: 1, 1: 0, 2: 0})
    assert 0.3 < alone < 1


def test_what_has_run_is_cleared_and_the_rest_is_not() -> None:
    memory = CrashMemory()
    memory.tell(PARENT, {0: 1, 1: 1, 2: 0}, crashed=True)
    memory.tell(PARENT, {0: 1, 1: 0, 2: 0}, crashed=False)
    assert memory.chance(PARENT, {0: 1, 1: 0, 2: 0}) == 1
    assert memory.chance(PARENT, {0: 1, 1: 1, 2: 0}) < 1  # together they may still crash
    assert memory.chance(PARENT, {0: 0, 1: 1, 2: 0}) < 1


def test_a_value_that_needs_another_one_is_free_with_that() -> None:
    memory = CrashMemory()
    memory.tell(PARENT, {0: 1, 1: 0, 2: 0}, crashed=True)  # 0 at 1 does not go with 1 at 0
    memory.tell(PARENT, {0: 1, 1: 1, 2: 0}, crashed=False)
    assert memory.chance(PARENT, {0: 1, 1: 1, 2: 5}) == 1
    assert memory.chance(PARENT, {0: 1, 1: 0, 2: 5}) < 1


places = st.fixed_dictionaries({row: st.integers(-2, 2) for row in range(4)})
Runs = list[tuple[dict[int, int], bool]]
told = st.lists(st.tuples(places, st.booleans()), max_size=12)
START = dict.fromkeys(range(4), 0)


@given(told, places)
def test_a_candidate_that_ran_is_never_held_back(runs: Runs, candidate: dict[int, int]) -> None:
    memory = CrashMemory()
    for other, crashed in runs:
        memory.tell(START, other, crashed)
    memory.tell(START, candidate, crashed=False)
    assert memory.chance(START, candidate) == 1


@given(told, places)
def test_a_saved_memory_is_the_same(runs: Runs, candidate: dict[int, int]) -> None:
    memory = CrashMemory()
    for other, crashed in runs:
        memory.tell(START, other, crashed)
    again = CrashMemory.from_state(json.loads(json.dumps(memory.state())))
    assert again.chance(START, candidate) == memory.chance(START, candidate)
    assert again.state() == memory.state()


# What the last line checks cannot be read from the script.
SCRIPT = """
import opaque
TOKENS = 2**14
ROWS = 8
WIDTH = 192
HEADS = 6
RATE = 0.01
DECAY = 0.1
WARMUP = 0.1
DROPOUT = 0.1
MIX = 0.5
CLIP = 1.0
opaque.check(TOKENS, ROWS, WIDTH, HEADS)
"""


def crashes(source: str) -> bool:
    values = {site.id: int(site.value) for site in find_sites(source) if site.kind == "int"}
    tokens, rows, width, heads = (values[n] for n in ("TOKENS", "ROWS", "WIDTH", "HEADS"))
    return rows < 1 or heads < 1 or tokens % (rows * 2048) != 0 or width % heads != 0


def crashed(weights: Path, seed: int, count: int) -> list[bool]:
    """Which of so many candidates crash, in a study in which nothing is ever better."""
    made = policy.make("ppo", SCRIPT, seed, sealed=False, weights=str(weights), online=False)
    rng, found = random.Random(seed), []
    for _ in range(count):
        proposal = made.ask()
        found.append(crashes(proposal.source))
        scored = Outcome(status="discard", val_bpb=2.0 + rng.random())
        made.tell(proposal, Outcome(status="crash") if found[-1] else scored)
    return found


def test_where_an_assert_cannot_be_read_crashes_become_rarer(small_weights: Path) -> None:
    studies = [crashed(small_weights, seed, 60) for seed in range(3)]
    early = sum(sum(found[:20]) for found in studies)
    late = sum(sum(found[-20:]) for found in studies)
    assert early >= 20
    assert late < 0.8 * early


def test_a_state_of_before_has_no_memory_of_crashes(small_weights: Path) -> None:
    made = policy.make("ppo", SCRIPT, 0, sealed=False, weights=str(small_weights))
    made.tell(made.ask(), Outcome(status="crash"))
    state = json.loads(json.dumps(made.state_dict()))
    assert state.pop("crashes")
    resumed = policy.make("ppo", SCRIPT, 1, sealed=False, weights=str(small_weights))
    resumed.load_state_dict(state)
    assert resumed.state_dict()["crashes"] == []
    assert resumed.ask().source != SCRIPT
