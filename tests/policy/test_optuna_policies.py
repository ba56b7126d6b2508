"""`tpe` and `cmaes`: optimisers of whole configurations behind the contract of every policy."""

from __future__ import annotations

import json
import math
import random
import sys
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policy
from policy import Outcome, Policy, PolicyError, PolicyExhausted, Proposal, Status
from policy.space import History, Space
from target import lattice
from target.diff import apply_diff
from target.edit import apply
from target.gate import check
from target.sites import find_sites

pytest.importorskip("optuna")
pytest.importorskip("cmaes")

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
KNOBS = "".join(f"K{i}_LR = 0.01\n" for i in range(8)) + ENTRY
NAMES = ["tpe", "cmaes"]
STATUSES = ["keep", "discard", "abort", "crash", "timeout", "oom", "invalid", "veto"]

outcomes = st.builds(
    Outcome,
    status=st.sampled_from(STATUSES),
    val_bpb=st.none() | st.floats(1, 4) | st.just(float("nan")),
)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def loss(source: str) -> float:
    """Lower near three steps up in half of the knobs, and three steps down in the others."""
    given = find_sites(KNOBS)
    now = {site.id: site.value for site in find_sites(source)}
    steps = [lattice.distance(site, site.value, now[site.id]) or 0 for site in given]
    return 1 + sum((n - (3, -3)[i % 2]) ** 2 for i, n in enumerate(steps)) / 100


@cache
def gain(name: str) -> float:
    """The gain of 40 experiments without noise, in which every improvement is kept."""
    gains = []
    for seed in range(2):
        made, best = policy.make(name, KNOBS, seed), loss(KNOBS)
        made.observe(KNOBS, Outcome(status="keep", val_bpb=best))
        for _ in range(40):
            proposal = made.ask()
            score = loss(proposal.source)
            status: Status = "keep" if score < best else "discard"
            made.tell(proposal, Outcome(status=status, val_bpb=score))
            best = min(best, score)
        gains.append((loss(KNOBS) - best) / (loss(KNOBS) - 1))
    return sum(gains) / len(gains)


def test_it_finds_more_than_random_search(name: str) -> None:
    assert gain(name) > gain("random") + 0.1


@settings(max_examples=5)
@given(st.sampled_from(NAMES), st.integers(0, 5), st.lists(outcomes, min_size=20, max_size=20))
def test_every_proposal_is_a_new_candidate_of_the_incumbent(
    name: str, seed: int, told: list[Outcome]
) -> None:
    made = policy.make(name, SOURCE, seed)
    incumbent, seen = SOURCE, {SOURCE}
    for number, outcome in enumerate(told):
        proposal = made.ask()
        assert proposal.number == number
        assert proposal.parent == incumbent
        assert apply(proposal.edit, proposal.parent) == proposal.source
        assert apply_diff(proposal.diff, proposal.parent) == proposal.source
        assert proposal.source not in seen
        assert check(proposal.source) is None
        assert proposal.why
        assert proposal.log_prob is None
        seen.add(proposal.source)
        made.tell(proposal, outcome)
        incumbent = proposal.source if outcome.status == "keep" else incumbent


def play(made: Policy, told: list[Outcome], seed: int, slots: int = 4) -> list[Proposal]:
    """Asks with up to `slots` outstanding, told in any order; returns what is outstanding."""
    rng = random.Random(seed)
    pending: list[Proposal] = []
    for outcome in told:
        while len(pending) < slots:
            pending.append(made.ask())
        made.tell(pending.pop(rng.randrange(len(pending))), outcome)
    return pending


@settings(max_examples=5)
@given(
    st.sampled_from(NAMES),
    st.integers(0, 5),
    st.lists(outcomes, min_size=24, max_size=24),
    st.integers(0, 23),
)
def test_a_resumed_policy_goes_on_in_the_same_way(
    name: str, seed: int, told: list[Outcome], cut: int
) -> None:
    whole = policy.make(name, SOURCE, seed)
    whole.observe(SOURCE, Outcome(status="discard", val_bpb=2.5))
    pending = play(whole, told[:cut], seed)

    resumed = policy.make(name, SOURCE, seed + 1)
    resumed.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    for made in (whole, resumed):
        # What was outstanding is told after the resume, from the record of it.
        records = [json.loads(json.dumps(proposal.to_record())) for proposal in pending]
        for record, outcome in zip(records, told[cut:], strict=False):
            made.tell(Proposal.from_record(record), outcome)
        made.observe(SOURCE, Outcome(status="discard", val_bpb=2.4))
    assert play(resumed, told[cut:], 1) == play(whole, told[cut:], 1)
    assert resumed.state_dict() == whole.state_dict()


def test_asks_and_tells_that_were_lost_are_replayed(name: str) -> None:
    made = policy.make(name, SOURCE, 0)
    play(made, [Outcome(status="discard", val_bpb=2 + i / 10) for i in range(15)], 0)
    before = json.loads(json.dumps(made.state_dict()))
    lost = made.ask()
    made.tell(lost, Outcome(status="discard", val_bpb=1.9))
    again = policy.make(name, SOURCE, 0)
    again.load_state_dict(before)
    assert again.ask() == lost
    again.tell(lost, Outcome(status="discard", val_bpb=1.9))
    assert again.state_dict() == made.state_dict()


def test_what_it_was_not_asked_for_is_learned_too(name: str) -> None:
    first, second = policy.make(name, SOURCE, 0), policy.make(name, SOURCE, 1)
    for _ in range(12):
        second.tell(first.ask(), Outcome(status="discard", val_bpb=2.0))
    proposal = second.ask()
    assert proposal.number == 12
    mine = proposal.amended(proposal.source + "# mine\n")
    second.tell(mine, Outcome(status="keep", val_bpb=1.0))
    assert second.ask().parent == mine.source
    broken = proposal.amended("A = (\n")
    second.tell(broken, Outcome(status="invalid"))
    assert second.ask().parent == mine.source


def test_a_late_keep_of_an_old_parent_is_the_incumbent(name: str) -> None:
    made = policy.make(name, SOURCE, 0)
    first, second = made.ask(), made.ask()
    made.tell(second, Outcome(status="keep", val_bpb=2.0))
    assert made.ask().parent == second.source
    made.tell(first, Outcome(status="keep", val_bpb=1.9))
    assert made.ask().parent == first.source


def test_the_seed_decides(name: str) -> None:
    def asks(seed: int) -> list[str]:
        made = policy.make(name, SOURCE, seed)
        play(made, [Outcome(status="discard", val_bpb=2 + i % 7 / 10) for i in range(12)], 0)
        return [made.ask().source for _ in range(3)]

    assert asks(1) == asks(1)
    assert asks(1) != asks(2)


@pytest.mark.parametrize("outcome", [Outcome(status="crash"), Outcome(status="veto")])
def test_it_goes_on_when_nothing_has_a_score(name: str, outcome: Outcome) -> None:
    made = policy.make(name, SOURCE, 0)
    play(made, [outcome] * 25, 0)
    made.observe(SOURCE, Outcome(status="keep", val_bpb=2.0))
    play(made, [outcome] * 5, 0)


@pytest.mark.parametrize("status", ["crash", "abort"])
def test_what_fails_is_avoided(name: str, status: Any) -> None:
    """A flag that always fails is rarely tried after a while."""
    made = policy.make(name, SOURCE, 0)
    made.observe(SOURCE, Outcome(status="keep", val_bpb=1.0))
    tried = []
    for number in range(40):
        proposal = made.ask()
        tried.append("FLAG = True" in proposal.source)
        score = 1.0 + number % 7 / 100
        outcome = Outcome(status=status) if tried[-1] else Outcome(status="discard", val_bpb=score)
        made.tell(proposal, outcome)
    assert sum(tried[20:]) <= 1


def test_a_failure_is_a_bit_worse_than_the_worst() -> None:
    history = History()
    history.add((0,), Outcome(status="crash"))
    assert history.scores() == {}
    history.add((1,), Outcome(status="discard", val_bpb=1.0))
    history.add((2,), Outcome(status="discard", val_bpb=1.2))
    history.add((2,), Outcome(status="discard", val_bpb=1.4))
    history.add((3,), Outcome(status="abort"))
    history.add((4,), Outcome(status="veto"))
    assert history.scores() == pytest.approx({(0,): 1.33, (1,): 1.0, (2,): 1.3, (3,): 1.3})
    history.add((0,), Outcome(status="keep", val_bpb=0.9))
    assert history.scores()[0,] == 0.9


def test_every_edit_of_a_small_script_is_found_before_it_gives_up(name: str) -> None:
    source = "A = False\nB = 'x'  # arl: choices x, y, z\n" + ENTRY
    made = policy.make(name, source, 0)
    made.observe(source, Outcome(status="keep", val_bpb=2.0))
    seen = set()
    for _ in range(5):
        proposal = made.ask()
        seen.add(proposal.source)
        made.tell(proposal, Outcome(status="discard", val_bpb=2.0))
    assert len(seen) == 5
    with pytest.raises(PolicyExhausted, match="every edit"):
        made.ask()


@pytest.mark.parametrize(
    "source",
    [
        "LR = 0.01\n",
        "FLAG = True\n",
        "GRÖSSE\t=\t4  # arl: choices 4, 8\nif GRÖSSE:\n\tprint('ü')\nFLAG\t=\tTrue\n",
        "D = 3  # arl: range 5..9\nN = 1  # arl: choices 1, 2, 4\n",
    ],
)
def test_a_script_with_few_values_is_searched_to_the_end(name: str, source: str) -> None:
    made = policy.make(name, source, 0)
    others = math.prod(len(axis.values) for axis in Space(source).axes) - 1
    for number in range(others):
        made.tell(made.ask(), Outcome(status="discard", val_bpb=2 + number % 3))
    with pytest.raises(PolicyExhausted):
        made.ask()


def test_five_hundred_sites(name: str) -> None:
    source = "".join(f"K{i} = {i + 1}\n" for i in range(500)) + ENTRY
    made = policy.make(name, source, 0)
    for i in range(10):
        moved = source.replace(f"K{i} = {i + 1}\n", f"K{i} = {i + 2}\n")
        made.observe(moved, Outcome(status="discard", val_bpb=2 + i / 10))
    assert made.ask().source != source


def test_a_space_follows_what_a_person_changed() -> None:
    space = Space(SOURCE)
    origin = space.encode(SOURCE)
    assert origin is not None
    assert not space.edit(origin, SOURCE).changes
    # An odd value stands for its neighbour, a site that is gone for what it was.
    assert space.encode(SOURCE.replace("3e-4", "0.00031").replace("DEPTH = 4", "")) == origin
    moved = tuple((axis.origin + 1) % len(axis.values) for axis in space.axes)
    assert space.encode(apply(space.edit(moved, SOURCE), SOURCE)) == moved
    text = SOURCE.replace("LR = 3e-4", "LR = 'auto'")
    assert "LR" not in {change.site for change in space.edit(moved, text).changes}


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        (ENTRY, {}, "no sites"),
        ("A = (\n", {}, "does not parse"),
        ("A = 1\n", {"sealed": True}, "no function build_model"),
    ],
)
def test_a_script_that_cannot_be_searched_is_refused(
    name: str, source: str, options: dict[str, bool], says: str
) -> None:
    with pytest.raises(PolicyError, match=says):
        policy.make(name, source, 0, **options)


def test_the_state_of_another_policy_is_refused() -> None:
    state = policy.make("cmaes", SOURCE, 0).state_dict()
    with pytest.raises(PolicyError, match="policy cmaes version 1, not of tpe"):
        policy.make("tpe", SOURCE, 0).load_state_dict(state)


@pytest.mark.parametrize(("name", "package"), [("tpe", "optuna"), ("cmaes", "cmaes")])
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.delitem(sys.modules, f"policy.{name}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PolicyError, match=rf"needs the package {package}: .*arl-tui\[optuna\]"):
        policy.make(name, SOURCE, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_of_when_fewer_sites_were_found_is_gone_on_from(name: str) -> None:
    before, now = SOURCE.replace("DROPOUT = 0.0\n", "DROPOUT = 0.0  # arl: frozen\n"), SOURCE
    first = policy.make(name, before, 1)
    for number in range(12):
        first.tell(first.ask(), Outcome(status="discard", val_bpb=2.0 + number / 100))
    first.ask()
    state = json.loads(json.dumps(first.state_dict() | {"given": now, "incumbent": now}))
    again = policy.make(name, now, 1)
    again.load_state_dict(state)
    for number in range(12):
        again.tell(again.ask(), Outcome(status="discard", val_bpb=2.0 + number / 100))
