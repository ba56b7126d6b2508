"""The network: a set of sites has no order, and an edit is a draw from a proper distribution."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.board import MOVES
from policy.families import FAMILIES
from policy.features import Observation
from policy.lab import Lab, sample_untried
from policy.moves import BINS
from policy.network import TRUTH_FEATURES, Action, EditNetwork, Encoded, Shape
from policy.simulator import Studies

SITES = 5
STUDIES = 4
SMALL = Shape(width=16, layers=1, heads=2, inner=16, scorer=8, pair=4)


@pytest.fixture(scope="module")
def network() -> EditNetwork:
    """With large weights, so that everything matters."""
    made = EditNetwork(SMALL).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return made


@pytest.fixture(scope="module")
def seen(network: EditNetwork) -> Observation:
    """Of studies after some experiments."""
    generator = torch.Generator().manual_seed(2)
    lab = Lab(Studies([FAMILIES["typical"]] * STUDIES, SITES, generator), 20, generator)
    with torch.no_grad():
        for _ in range(6):
            lab.run(sample_untried(lab, network, network.encode(lab.observation()), generator))
    return lab.observation()


def sampled(network: EditNetwork, encoded: Encoded, seed: int = 0) -> Action:
    return network.sample(encoded, torch.Generator().manual_seed(seed))


@settings(max_examples=5)
@given(st.permutations(range(SITES)))
def test_the_order_of_sites_does_not_matter(
    network: EditNetwork, seen: Observation, order: list[int]
) -> None:
    perm = torch.tensor(order)
    inverse = perm.argsort()

    def renamed(sites: torch.Tensor) -> torch.Tensor:
        return torch.where(sites >= 0, inverse[sites.clamp(min=0)], sites)

    other = seen._replace(
        record_sites=renamed(seen.record_sites),
        **{n: getattr(seen, n)[:, perm] for n in ("sites", "bins", "valid", "present")},
    )
    with torch.no_grad():
        here, there = network.encode(seen), network.encode(other)
        action = sampled(network, here)
        moved = torch.where(
            action.moves >= 0, renamed(action.sites) * BINS + action.bins, action.moves
        )
        torch.testing.assert_close(there.scores, here.scores[:, perm], rtol=1e-4, atol=1e-4)
        for found, expected in zip(
            network.evaluate(there, Action(moved)), network.evaluate(here, action), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network.value(there), network.value(here), rtol=1e-4, atol=1e-4)


def test_absent_sites_change_nothing(network: EditNetwork, seen: Observation) -> None:
    def padded(part: torch.Tensor, noise: float) -> torch.Tensor:
        more = noise * torch.randn(STUDIES, 3, *part.shape[2:])
        return torch.cat((part, more.to(part.dtype)), 1)

    torch.manual_seed(0)
    parts = {n: padded(getattr(seen, n), 5.0) for n in ("sites", "bins")}
    other = seen._replace(**parts, valid=padded(seen.valid, 0.0), present=padded(seen.present, 0.0))
    with torch.no_grad():
        here, there = network.encode(seen), network.encode(other)
        action = sampled(network, here)
        torch.testing.assert_close(there.scores[:, :SITES], here.scores, rtol=1e-4, atol=1e-4)
        for found, expected in zip(
            network.evaluate(there, action), network.evaluate(here, action), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network.value(there), network.value(here), rtol=1e-4, atol=1e-4)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.02, 1.0))
def test_what_is_sampled_can_be_done(
    network: EditNetwork, seen: Observation, seed: int, share: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    valid = seen.valid & (torch.rand(seen.valid.shape, generator=generator) < share)
    with torch.no_grad():
        encoded = network.encode(seen._replace(valid=valid))
        action = sampled(network, encoded, seed)
        assert network.evaluate(encoded, action).log_prob.isfinite().all()
    for study in range(STUDIES):
        moves = [move for move in action.moves[study].tolist() if move >= 0]
        assert action.moves[study, : len(moves)].tolist() == moves  # none after a stop
        assert all(bool(valid[study].flatten()[move]) for move in moves)
        assert len({move // BINS for move in moves}) == len(moves)
        assert bool(moves) == bool(valid[study].any())


def tiny(network: EditNetwork, seen: Observation) -> tuple[Encoded, list[tuple[int, ...]]]:
    """One study with six moves at three sites, and all edits that can be made of them."""
    valid = torch.zeros_like(seen.valid[:1])
    for site, bin_ in ((0, 1), (0, 5), (2, 0), (2, 3), (2, 7), (4, 4)):
        valid[0, site, bin_] = True
    one = seen.pick(torch.tensor([0]))._replace(valid=valid)
    with torch.no_grad():
        encoded = network.encode(one)
    moves = valid[0].flatten().nonzero()[:, 0].tolist()
    edits = [
        edit + (-1,) * (MOVES - count)
        for count in range(1, MOVES + 1)
        for edit in itertools.permutations(moves, count)
        if len({move // BINS for move in edit}) == count
    ]
    return encoded, edits


def repeated(encoded: Encoded, times: int) -> Encoded:
    return Encoded(*(part.expand(times, *part.shape[1:]) for part in encoded))


def test_the_probabilities_of_all_edits_sum_to_1(network: EditNetwork, seen: Observation) -> None:
    encoded, edits = tiny(network, seen)
    with torch.no_grad():
        found = network.evaluate(repeated(encoded, len(edits)), Action(torch.tensor(edits)))
    assert float(found.log_prob.exp().sum()) == pytest.approx(1, abs=1e-4)
    assert float(found.log_prob.exp().max()) < 0.9  # not by one edit alone


def test_edits_are_sampled_as_often_as_evaluate_says(
    network: EditNetwork, seen: Observation
) -> None:
    encoded, edits = tiny(network, seen)
    times = 4000
    with torch.no_grad():
        drawn = sampled(network, repeated(encoded, times)).moves
        found = network.evaluate(repeated(encoded, len(edits)), Action(torch.tensor(edits)))
    expected = found.log_prob.exp()
    for edit, probability in zip(edits, expected.tolist(), strict=True):
        often = float((drawn == torch.tensor(edit)).all(1).float().mean())
        assert often == pytest.approx(probability, abs=0.035)


def test_where_nothing_can_be_changed_the_edit_is_empty(
    network: EditNetwork, seen: Observation
) -> None:
    nothing = seen._replace(valid=torch.zeros_like(seen.valid))
    with torch.no_grad():
        encoded = network.encode(nothing)
        action = sampled(network, encoded)
        assert (action.moves == -1).all()
        torch.testing.assert_close(network.evaluate(encoded, action).log_prob, torch.zeros(STUDIES))


def test_the_seed_decides(network: EditNetwork, seen: Observation) -> None:
    with torch.no_grad():
        encoded = network.encode(seen)
        drawn = [sampled(network, encoded, seed).moves for seed in range(8)]
        torch.manual_seed(7)  # what others draw has no influence
        assert torch.equal(sampled(network, encoded, 0).moves, drawn[0])
    assert len({str(moves.tolist()) for moves in drawn}) > 1


def test_the_critic_hears_the_truth(network: EditNetwork, seen: Observation) -> None:
    with torch.no_grad():
        encoded = network.encode(seen)
        silent = network.value(encoded)
        torch.testing.assert_close(
            network.value(encoded, torch.zeros(STUDIES, TRUTH_FEATURES)), silent
        )
        assert not torch.equal(network.value(encoded, torch.ones(STUDIES, TRUTH_FEATURES)), silent)
