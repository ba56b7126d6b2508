"""`ppo`: what every policy promises, and what is special about one that learns."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import policy
from policy import Outcome, Policy, PolicyError, PolicyExhausted, Proposal, weights
from policy.contract import propose
from policy.network import EditNetwork, Shape
from policy.tensors import unpack
from target import shipped
from target.diff import apply_diff
from target.edit import Edit, apply, change
from target.gate import check
from target.sites import ABSENT, find_sites

SOURCE = """import torch
import torch.nn.functional as F

DEPTH = 4  # blocks
LR = 3e-4
DROPOUT = 0.0
BETAS = (0.9, 0.95)
FLAG = False


def mlp(x):
    return F.relu(x).square()


def build_model(vocab_size, seq_len):
    return torch.nn.Linear(vocab_size, seq_len)


def train(model, run):
    pass
"""
ENTRY = SOURCE[SOURCE.index("def build_model") :]
STATUSES = ["keep", "discard", "abort", "crash", "timeout", "oom", "invalid", "veto"]
DISCARD = Outcome(status="discard", val_bpb=2.0, seconds=60.0)

Make = Callable[..., Policy]
outcomes = st.builds(
    Outcome,
    status=st.sampled_from(["keep", "discard", "discard", *STATUSES]),
    val_bpb=st.none() | st.floats(1, 4),
    seconds=st.none() | st.floats(0, 300),
    peak_memory_mb=st.none() | st.floats(0, 1e5),
)


@pytest.fixture(scope="session")
def make(small_weights: Path) -> Make:
    """The policy with a small network, which is not the shipped one."""

    def made(source: str = SOURCE, seed: int = 0, **options: Any) -> Policy:
        return policy.make("ppo", source, seed, **{"weights": str(small_weights)} | options)

    return made


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(state)))


@settings(max_examples=5)
@given(st.lists(outcomes, min_size=4, max_size=9), st.randoms(use_true_random=False))
def test_a_resumed_policy_goes_on_in_the_same_way(
    make: Make, told: list[Outcome], rng: random.Random
) -> None:
    """Whatever was outstanding or late, before and after it has learnt during the study."""
    options = {"learning": {"first": 2, "every": 2}, "experiments": 30}
    whole, resumed = make(**options), make(seed=1, **options)
    outstanding: list[Proposal] = [whole.ask(), whole.ask()]
    cut = rng.randrange(len(told))
    pair = [whole]
    for number, outcome in enumerate(told):
        if number == cut:
            resumed.load_state_dict(through_json(whole.state_dict()))
            pair = [whole, resumed]
        if number % 3 == 0:
            for made in pair:
                made.observe(SOURCE, Outcome(status="discard", val_bpb=2 + number / 100))
        proposal = outstanding.pop(rng.randrange(len(outstanding)))
        for made in pair:
            made.tell(proposal, outcome)
        asked = [made.ask() for made in pair]
        assert asked[0] == asked[-1]
        outstanding.append(asked[0])
    assert resumed.state_dict() == whole.state_dict()


@settings(max_examples=5)
@given(st.integers(0, 5), st.lists(outcomes, max_size=6))
def test_every_proposal_is_a_new_candidate_of_the_incumbent(
    make: Make, seed: int, told: list[Outcome]
) -> None:
    made, incumbent, seen = make(seed=seed), SOURCE, {SOURCE}
    for number, outcome in enumerate(told):
        proposal = made.ask()
        assert proposal.number == number
        assert proposal.parent == incumbent
        assert 1 <= len(proposal.edit.changes) <= 3
        assert apply(proposal.edit, incumbent) == proposal.source
        assert apply_diff(proposal.diff, incumbent) == proposal.source
        assert check(proposal.source) is None
        assert proposal.source not in seen
        assert proposal.log_prob is not None
        assert proposal.log_prob <= 0
        assert "probability" in proposal.why
        seen.add(proposal.source)
        made.tell(proposal, outcome)
        incumbent = proposal.source if outcome.status == "keep" else incumbent


def test_the_seed_decides(make: Make) -> None:
    def asks(seed: int) -> list[str]:
        made = make(seed=seed)
        return [made.ask().source for _ in range(5)]

    assert asks(1) == asks(1)
    assert asks(1) != asks(2)


def test_a_late_keep_of_an_old_parent_is_the_incumbent(make: Make) -> None:
    made = make()
    first, second = made.ask(), made.ask()
    made.tell(second, Outcome(status="keep", val_bpb=2.0))
    assert made.ask().parent == second.source
    made.tell(first, Outcome(status="keep", val_bpb=1.9))
    assert made.ask().parent == first.source


def test_asks_that_were_forgotten_in_a_crash_are_not_numbered_twice(make: Make) -> None:
    made, resumed = make(), make()
    proposal = made.ask()
    resumed.tell(proposal, DISCARD)
    assert resumed.ask().number == 1


def test_every_edit_of_a_small_script_is_found_before_it_gives_up(make: Make) -> None:
    made = make("A = False\nB = 'x'  # arl: choices x, y, z\n" + ENTRY)
    assert len({made.ask().source for _ in range(5)}) == 5
    with pytest.raises(PolicyExhausted, match="every edit"):
        made.ask()


@pytest.mark.parametrize(
    "source",
    [
        "A = 1\n",
        "".join(f"K{i} = {i + 1}\n" for i in range(500)),
        "GRÖSSE = 4  # größe 🎉\nNAME = 'ß'  # arl: choices ß, ü\n",
        "A\t=\t4\t# tab\nif A:\n\tB = 1\n",
        SOURCE.replace("\n", "\r\n"),
    ],
    ids=["one site", "500 sites", "not ASCII", "tabs", "CRLF"],
)
def test_odd_scripts(make: Make, source: str) -> None:
    made = make(source)
    proposal = made.ask()
    assert apply_diff(proposal.diff, source) == proposal.source != source
    made.tell(proposal, Outcome(status="keep", val_bpb=1.0))
    assert made.ask().parent == proposal.source


@pytest.mark.parametrize(("source", "says"), [(ENTRY, "no sites"), ("A = (\n", "does not parse")])
def test_a_script_that_cannot_be_searched_is_refused(make: Make, source: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        make(source)


def test_structures_of_the_shipped_script_come_and_go(make: Make) -> None:
    source = shipped.read()
    made = make(source)
    structures = [site for site in find_sites(source) if site.kind == "structure"]
    removed = next(site for site in structures if ABSENT in site.choices and site.value != ABSENT)
    replaced = next(site for site in structures if site.id != removed.id)
    for site in (removed, replaced):
        wanted = ABSENT if site is removed else site.choices[-1]
        if wanted == site.value:
            wanted = site.choices[0]
        incumbent = made.ask().parent
        here = {found.id: found for found in find_sites(incumbent)}[site.id]
        number = made.ask().number
        edit = Edit((change(here, wanted),))
        proposal = propose(edit, incumbent, number=number, sealed=True)
        assert proposal is not None
        made.tell(proposal, Outcome(status="keep", val_bpb=1.0))
        assert made.ask().parent == proposal.source
    resumed = make(source)
    resumed.load_state_dict(through_json(made.state_dict()))
    for _ in range(2):
        assert resumed.ask() == made.ask()


def learner(made: Policy) -> dict[str, Any]:
    return dict(made.state_dict()["learner"])


def tell_many(made: Policy, count: int, amend: bool = False) -> None:
    for number in range(count):
        proposal = made.ask()
        if amend:
            proposal = proposal.amended(proposal.source + "# mine\n")
        made.tell(proposal, Outcome(status="discard", val_bpb=2 + number % 3 / 10))


def test_it_learns_after_eight_outcomes(make: Make, small_weights: Path) -> None:
    made = make()
    tell_many(made, 7)
    assert "network" not in learner(made)
    tell_many(made, 1)
    found, shipped_ = unpack(learner(made)["network"]), weights.load(small_weights).state_dict()
    assert any(not torch.equal(found[name], value) for name, value in shipped_.items())
    assert made.metrics["approx_kl"] >= 0  # type: ignore[attr-defined]
    assert learner(made)["version"] == 1
    assert made.ask().source


def test_told_not_to_learn_it_never_does(make: Make) -> None:
    made = make(online=False)
    tell_many(made, 12)
    assert "network" not in learner(made)
    assert made.metrics == {}  # type: ignore[attr-defined]


def test_what_a_person_amended_stays_out_of_learning(make: Make) -> None:
    made = make()
    tell_many(made, 12, amend=True)
    assert "network" not in learner(made)
    assert learner(made)["asked"] == {}
    assert learner(made)["told"] == []


def test_an_amended_source_that_is_broken_is_survived(make: Make) -> None:
    made = make()
    made.tell(made.ask().amended("A = (\n"), Outcome(status="invalid"))
    assert made.ask().parent == SOURCE


def test_the_score_of_a_veto_is_not_looked_at(make: Make) -> None:
    silent, told = make(), make()
    for made, score in ((silent, None), (told, 0.1)):
        tell_many(made, 2)
        made.tell(made.ask(), Outcome(status="veto", val_bpb=score))
    assert silent.state_dict() == told.state_dict()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"colour": "red"}, "'colour'"),
        ({"rewards": {"colour": 1}}, "rewards has no 'colour': choose from rank"),
        ({"learning": {"speed": 1}}, "learning has no 'speed': choose from rate"),
        ({"learning": {"rate": "fast"}}, "learning.rate = 'fast' is not a number"),
        ({"rewards": {"gain": float("nan")}}, "rewards.gain = nan is not a number"),
    ],
)
def test_options_that_are_none_are_named(make: Make, options: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        make(**options)


def described(path: Path, about: Any) -> None:
    """Weights with this description."""
    save_file({"x": torch.zeros(1)}, path, metadata={"arl-tui": json.dumps(about)})


def test_weights_that_cannot_be_used_are_refused_in_a_sentence(
    make: Make, small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(PolicyError) as refused:
            make(weights=str(path))
        assert "\n" not in str(refused.value)
        assert str(path) in str(refused.value)
        return str(refused.value)

    path = tmp_path / "w.safetensors"
    assert "there are no weights at" in refusal(path)
    assert "cannot be read" in refusal(tmp_path)
    for size in (0, 5, 3000):
        path.write_bytes(small_weights.read_bytes()[:size])
        assert "cannot be read" in refusal(path)
    network = EditNetwork(Shape(width=16, layers=1, heads=2, inner=16, scorer=8, pair=4))
    network.shape = Shape(width=32, layers=1, heads=2, inner=16, scorer=8, pair=4)
    weights.save(network, path)
    assert "do not fit the network" in refusal(path)
    known = {"version": weights.VERSION, "sizes": weights.features.sizes()}
    for shape in ({"width": 16, "heads": 3}, {"breadth": 4}, None):
        described(path, known | {"shape": shape})
        assert "do not fit the network" in refusal(path)
    for about in ({}, []):
        described(path, about)
        assert "version None" in refusal(path)
    monkeypatch.setattr(weights, "VERSION", weights.VERSION + 1)
    assert "are of version 1 and do not fit this program's version 2" in refusal(small_weights)


def test_a_damaged_state_is_refused_in_a_sentence(make: Make) -> None:
    state = make().state_dict()
    for key in ("board", "sites", "learner"):
        with pytest.raises(PolicyError, match="saved state of the policy cannot be used"):
            make().load_state_dict(state | {key: "?"})


def test_the_shipped_weights_propose() -> None:
    assert policy.make("ppo", SOURCE, 0).ask().log_prob is not None


def test_options_are_checked_before_the_study(make: Make) -> None:
    for options in (
        {"learning": {"window": 32.0}},
        {"learning": {"every": 0}},
        {"learning": {"epochs": 0}},
        {"learning": {"rate": -1}},
        {"learning": {"rate": 0.1}},
        {"learning": {"reference_weight": 0.1}},
        {"learning": "fast"},
        {"rewards": {"rank": True}},
        {"experiments": "100"},
        {"online": "yes"},
        {"weights": 5},
    ):
        with pytest.raises(PolicyError):
            make(**options)


def test_the_largest_seed_learns_too(make: Make) -> None:
    made = make(seed=2**63 - 1, learning={"first": 2, "every": 1})
    for number in range(3):
        made.tell(made.ask(), Outcome(status="discard", val_bpb=2.0 + number))
    assert made.ask().number == 3


def test_a_site_that_goes_away_leaves_what_was_seen_before_as_it_was(make: Make) -> None:
    options = {"learning": {"first": 2, "every": 1}}
    whole = make(**options)
    early = [whole.ask(), whole.ask()]
    resumed = make(**options)
    resumed.load_state_dict(through_json(whole.state_dict()))
    without = early[0].amended(early[0].parent.replace("FLAG = False\n", ""))
    for made in (whole, resumed):
        made.tell(without, Outcome(status="keep", val_bpb=1.9))
        for number in range(3):
            made.tell(made.ask(), Outcome(status="discard", val_bpb=2.0 + number))
        made.tell(early[1], DISCARD)
    assert whole.state_dict() == resumed.state_dict()


def test_a_source_without_sites_is_the_end(make: Make) -> None:
    made = make(SOURCE.replace("F.relu(x).square()", "x"))
    made.tell(made.ask().amended(ENTRY), Outcome(status="keep", val_bpb=1.0))
    with pytest.raises(PolicyExhausted):
        made.ask()


def test_a_score_that_is_none_is_a_failure(make: Make) -> None:
    for score in (math.inf, math.nan, 1e39, None):
        made, other = make(), make()
        proposal = made.ask()
        assert other.ask() == proposal
        made.tell(proposal, Outcome(status="discard", val_bpb=score))
        other.tell(proposal, Outcome(status="crash"))
        assert made.state_dict() == other.state_dict()


def test_what_was_not_run_as_it_was_sampled_is_not_learnt(make: Make) -> None:
    made = make(learning={"first": 2, "every": 1})
    for number in range(4):
        changed = Proposal.from_record(made.ask().to_record() | {"log_prob": -1.0})
        made.tell(changed, Outcome(status="discard", val_bpb=2.0 + number))
    assert made.state_dict()["learner"]["version"] == 0
