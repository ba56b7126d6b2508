"""`adaptive`: what every policy promises, and that it goes where it has gained."""

from __future__ import annotations

import json
import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policy
from policy import Outcome, Policy, PolicyError, PolicyExhausted, Proposal
from target.diff import apply_diff
from target.edit import apply
from target.gate import check, only_seeds
from target.sites import find_sites

SOURCE = """import torch
import torch.nn.functional as F

DEPTH = 4  # blocks
LR = 3e-4
DROPOUT = 0.0
BETAS = (0.9, 0.95)
SEED = 3
FLAG = False


def mlp(x):
    return F.relu(x).square()


def build_model(vocab_size, seq_len):
    return torch.nn.Linear(vocab_size, seq_len)


def train(model, run):
    pass
"""
ENTRY = SOURCE[SOURCE.index("def build_model") :]
NAMES = ["adaptive"]
STATUSES = ["keep", "discard", "abort", "crash", "timeout", "oom", "invalid", "veto"]

outcomes = st.builds(
    Outcome,
    status=st.sampled_from(STATUSES),
    val_bpb=st.none() | st.floats(1, 4),
    seconds=st.none() | st.floats(0, 300),
)
seeds = st.integers(0, 5)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tell_all(made: Policy, plan: list[tuple[Proposal, Outcome]], order: list[int]) -> None:
    for index in order:
        made.tell(*plan[index])


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(NAMES), seeds, st.lists(outcomes, max_size=8))
def test_every_proposal_is_a_new_candidate_of_the_incumbent(
    name: str, seed: int, told: list[Outcome]
) -> None:
    made = policy.make(name, SOURCE, seed)
    incumbent, seen = SOURCE, {SOURCE}
    for number, outcome in enumerate(told):
        proposal = made.ask()
        assert proposal.number == number
        assert proposal.parent == incumbent
        assert 1 <= len(proposal.edit.changes) <= 3
        assert apply(proposal.edit, proposal.parent) == proposal.source
        assert apply_diff(proposal.diff, proposal.parent) == proposal.source
        assert proposal.source not in seen
        assert check(proposal.source) is None
        assert not only_seeds(proposal.parent, proposal.source)
        assert proposal.why
        assert proposal.log_prob is None
        seen.add(proposal.source)
        made.tell(proposal, outcome)
        incumbent = proposal.source if outcome.status == "keep" else incumbent


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(NAMES), seeds, st.lists(outcomes, min_size=1, max_size=6), st.randoms())
def test_a_resumed_policy_goes_on_in_the_same_way(
    name: str, seed: int, told: list[Outcome], rng: random.Random
) -> None:
    whole = policy.make(name, SOURCE, seed)
    plan = [(whole.ask(), outcome) for outcome in told]
    order = list(range(len(plan)))
    rng.shuffle(order)
    cut = rng.randint(0, len(order))
    tell_all(whole, plan, order[:cut])

    state = json.loads(json.dumps(whole.state_dict()))
    resumed = policy.make(name, SOURCE, seed + 1)
    resumed.load_state_dict(state)
    # What was outstanding is told after the resume, from the record of it.
    stored = [(Proposal.from_record(json.loads(json.dumps(p.to_record()))), o) for p, o in plan]
    assert stored == plan
    tell_all(whole, plan, order[cut:])
    tell_all(resumed, stored, order[cut:])
    for _ in range(3):
        assert resumed.ask() == whole.ask()
    assert resumed.state_dict() == whole.state_dict()


def test_the_seed_decides(name: str) -> None:
    def asks(seed: int) -> list[str]:
        made = policy.make(name, SOURCE, seed)
        return [made.ask().source for _ in range(6)]

    assert asks(1) == asks(1)
    assert asks(1) != asks(2)


def test_a_late_keep_of_an_old_parent_is_the_incumbent(name: str) -> None:
    made = policy.make(name, SOURCE, 0)
    first, second = made.ask(), made.ask()
    made.tell(second, Outcome(status="keep", val_bpb=2.0))
    assert made.ask().parent == second.source
    made.tell(first, Outcome(status="keep", val_bpb=1.9))
    assert made.ask().parent == first.source


def test_an_amended_source_is_kept_as_amended(name: str) -> None:
    made = policy.make(name, SOURCE, 0)
    proposal = made.ask()
    mine = proposal.amended(proposal.source + "# mine\n")
    assert mine.log_prob is None
    assert apply_diff(mine.diff, mine.parent) == mine.source
    made.tell(mine, Outcome(status="keep", val_bpb=2.0))
    assert made.ask().parent == mine.source


def test_asks_that_were_forgotten_in_a_crash_are_not_numbered_twice(name: str) -> None:
    made = policy.make(name, SOURCE, 0)
    early = made.state_dict()
    proposal = made.ask()
    resumed = policy.make(name, SOURCE, 0)
    resumed.load_state_dict(early)
    resumed.tell(proposal, Outcome(status="discard", val_bpb=3.0))
    assert resumed.ask() == made.ask()


def test_what_was_observed_is_not_proposed(name: str) -> None:
    source = "FLAG = False\n" + ENTRY
    made = policy.make(name, source, 0)
    made.observe(source.replace("False", "True"), Outcome(status="discard", val_bpb=2.0))
    with pytest.raises(PolicyExhausted):
        made.ask()


def test_every_edit_of_a_small_script_is_found_before_it_gives_up(name: str) -> None:
    source = "A = False\nB = 'x'  # arl: choices x, y, z\n" + ENTRY
    made = policy.make(name, source, 0)
    assert len({made.ask().source for _ in range(5)}) == 5
    with pytest.raises(PolicyExhausted, match="every edit"):
        made.ask()


def test_every_site_is_tried(name: str) -> None:
    made = policy.make(name, SOURCE, 0)
    touched = {item.site for _ in range(60) for item in made.ask().edit.changes}
    assert touched == {site.id for site in find_sites(SOURCE)}


KNOBS = "".join(f"K{i}_LR = 0.01\n" for i in range(8)) + ENTRY


def moves(proposal: Proposal) -> dict[str, bool]:
    """Whether each site went up."""
    before = {site.id: site.value for site in find_sites(proposal.parent)}
    return {c.site: float(c.value) > float(before[c.site]) for c in proposal.edit.changes}


@cache
def share_up(status: str | None) -> float:
    """How often K0 goes up in 40 asks after 40 in which going up ended with this status."""
    return sum(ups_of_one_study(status, seed) for seed in range(3)) / 120


def ups_of_one_study(status: str | None, seed: int) -> int:
    made, ups = policy.make("adaptive", KNOBS, seed), 0
    made.observe(KNOBS, Outcome(status="discard", val_bpb=2.0))
    for number in range(80):
        proposal = made.ask()
        up = moves(proposal).get("K0_LR", False)
        ups += up and number >= 40
        if up and status is not None:
            made.tell(proposal, Outcome(status=status))  # type: ignore[arg-type]
        else:
            made.tell(proposal, Outcome(status="discard", val_bpb=2.0))
    return ups


@pytest.mark.parametrize("status", ["oom", "crash", "timeout", "abort", "veto"])
def test_a_direction_that_ended_badly_is_avoided(status: str) -> None:
    assert share_up(status) < share_up(None) / 2


def test_it_goes_where_it_has_gained() -> None:
    """Only K0 matters, and up is better: it climbs, and rarely proposes to go back."""
    made = policy.make("adaptive", KNOBS, 1)
    made.observe(KNOBS, Outcome(status="discard", val_bpb=2.0))
    best, wrong = 2.0, 0
    for number in range(40):
        proposal = made.ask()
        sites = {site.id: site.value for site in find_sites(proposal.source)}
        score = 2.0 - min(float(sites["K0_LR"]), 0.2)
        wrong += number >= 15 and moves(proposal).get("K0_LR") is False
        made.tell(proposal, Outcome(status="keep" if score < best else "discard", val_bpb=score))
        best = min(best, score)
    assert best <= 1.9
    assert wrong <= 8


def test_five_hundred_sites(name: str) -> None:
    source = "".join(f"K{i} = {i + 1}\n" for i in range(500)) + ENTRY
    assert policy.make(name, source, 0).ask().source != source


@pytest.mark.parametrize(
    ("source", "says"),
    [(ENTRY, "no sites"), ("A = (\n", "does not parse")],
)
def test_a_script_that_cannot_be_searched_is_refused(name: str, source: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        policy.make(name, source, 0)


def test_a_sealed_target_needs_its_entry_points(name: str) -> None:
    with pytest.raises(PolicyError, match="no function build_model"):
        policy.make(name, "A = 1\n", 0, sealed=True)


@pytest.mark.parametrize("options", [{}, {"sealed": False}])
def test_any_other_script_needs_no_entry_points(name: str, options: dict[str, bool]) -> None:
    assert policy.make(name, "A = 1\n", 0, **options).ask().source != "A = 1\n"


def test_the_state_of_another_policy_is_refused() -> None:
    state = policy.make("random", SOURCE, 0).state_dict()
    with pytest.raises(PolicyError, match="policy random version 1, not of local"):
        policy.make("local", SOURCE, 0).load_state_dict(state)
