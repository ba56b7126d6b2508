"""PPO: advantages by hand, and that an update does what it is for and no more."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from policy import ppo
from policy.families import FAMILIES
from policy.lab import Lab
from policy.moves import BINS
from policy.network import EditNetwork, Shape
from policy.ppo import Batch, Settings
from policy.simulator import Studies

SMALL = Shape(width=16, layers=1, heads=2, inner=16, scorer=8, pair=4)
STUDIES = 48
# The policy alone: no critic, no entropy.
PLAIN = Settings(epochs=4, minibatch=STUDIES, value_weight=0.0, entropy_weight=0.0, target_kl=9.0)


def fresh() -> EditNetwork:
    torch.manual_seed(5)
    return EditNetwork(SMALL)


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Sampled edits of the same kind of study; those that begin with a step up are better."""
    g = torch.Generator().manual_seed(1)
    lab = Lab(Studies([FAMILIES["typical"]] * STUDIES, 6, g), 20, g)
    network, seen = fresh(), lab.observation()
    with torch.no_grad():
        encoded = network.encode(seen)
        action = network.sample(encoded, g)
        log_prob = network.evaluate(encoded, action).log_prob
    advantage = (action.bins[:, 0] >= BINS // 2).float()
    return Batch(seen, action, log_prob, advantage, returns=advantage)


def learnt(batch: Batch, settings: Settings, seed: int = 0) -> tuple[EditNetwork, ppo.Metrics]:
    network = fresh()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(seed)
    return network, ppo.update(network, optimizer, batch, settings, generator)


def log_prob(network: EditNetwork, batch: Batch) -> Tensor:
    with torch.no_grad():
        return network.evaluate(network.encode(batch.seen), batch.action).log_prob


def same(one: EditNetwork, other: EditNetwork) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_advantages_by_hand() -> None:
    rewards = torch.tensor([[1.0], [2.0], [3.0]])
    values = torch.tensor([[0.5], [1.0], [1.5]])
    found, returns = ppo.advantages(rewards, values, gamma=0.9, lambda_=0.8)
    # Surprises of 1.4, 2.35 and 1.5, each step back worth 0.72 as much.
    torch.testing.assert_close(found, torch.tensor([[3.8696], [3.43], [1.5]]))
    torch.testing.assert_close(returns, found + values)


def test_without_a_decay_returns_are_what_is_still_to_come() -> None:
    rewards = torch.tensor([[1.0, 0.0], [2.0, -1.0], [3.0, 0.5]])
    _, returns = ppo.advantages(rewards, torch.randn(3, 2), gamma=1.0, lambda_=1.0)
    torch.testing.assert_close(returns, torch.tensor([[6.0, -0.5], [5.0, -0.5], [3.0, 0.5]]))


def test_a_bandits_return_is_its_reward() -> None:
    rewards, values = torch.randn(4, 2), torch.randn(4, 2)
    found, returns = ppo.advantages(rewards, values, gamma=0.0)
    torch.testing.assert_close(returns, rewards)
    torch.testing.assert_close(found, rewards - values)


def test_what_was_better_than_average_becomes_more_likely(batch: Batch) -> None:
    network, metrics = learnt(batch, PLAIN)
    more = log_prob(network, batch) - batch.log_prob
    good = batch.advantage > 0
    assert 5 < int(good.sum()) < STUDIES - 5
    assert float(more[good].mean()) > 0.02
    assert float(more[~good].mean()) < -0.02
    assert metrics.approx_kl > 0


def test_the_mean_and_the_unit_of_advantages_do_not_matter(batch: Batch) -> None:
    other = replace(batch, advantage=10 * batch.advantage + 7)
    network, _ = learnt(batch, replace(PLAIN, epochs=1))
    shifted, _ = learnt(other, replace(PLAIN, epochs=1))
    torch.testing.assert_close(
        log_prob(network, batch), log_prob(shifted, batch), rtol=1e-3, atol=1e-3
    )


def test_a_reference_holds_the_policy_near(batch: Batch) -> None:
    settings = replace(PLAIN, epochs=15)
    held = replace(settings, reference_weight=5.0)
    with_reference = replace(batch, reference=batch.log_prob)

    def drift(settings: Settings) -> float:
        network, _ = learnt(with_reference, settings)
        return float((log_prob(network, batch) - batch.log_prob).square().mean())

    assert drift(held) < drift(settings) / 2


def test_equal_runs_give_equal_weights(batch: Batch) -> None:
    settings = replace(PLAIN, minibatch=16, value_weight=0.5, entropy_weight=0.01)
    assert same(learnt(batch, settings)[0], learnt(batch, settings)[0])
    assert not same(learnt(batch, settings)[0], learnt(batch, settings, seed=1)[0])


def test_what_has_moved_far_enough_is_left_alone(batch: Batch) -> None:
    sign = batch.advantage * 2 - 1
    far = replace(batch, log_prob=batch.log_prob - sign)  # ratios of e and 1/e
    network, metrics = learnt(far, replace(PLAIN, epochs=1))
    assert same(network, fresh())
    assert metrics.clipfrac == 1.0


def test_an_epoch_that_moves_the_policy_too_far_is_the_last(batch: Batch) -> None:
    far = replace(batch, log_prob=batch.log_prob + batch.advantage)
    steps: list[int] = []
    network = fresh()
    optimizer = torch.optim.Adam(network.parameters())
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    settings = replace(PLAIN, epochs=5, target_kl=0.05)
    ppo.update(network, optimizer, far, settings, torch.Generator())
    assert len(steps) == 1


def test_entropy_spreads_and_the_critic_learns(batch: Batch) -> None:
    even = replace(batch, advantage=torch.zeros(STUDIES))
    before = fresh()
    with torch.no_grad():
        encoded = before.encode(batch.seen)
        entropy = before.evaluate(encoded, batch.action).entropy.mean()
        error = (before.value(encoded) - batch.returns).square().mean()
    network, metrics = learnt(even, replace(PLAIN, entropy_weight=1.0, value_weight=0.5))
    with torch.no_grad():
        encoded = network.encode(batch.seen)
        assert network.evaluate(encoded, batch.action).entropy.mean() > entropy
        assert (network.value(encoded) - batch.returns).square().mean() < error
    assert metrics.value_loss < float(error)


def test_gradients_are_shared_before_every_step(batch: Batch) -> None:
    network, untouched = fresh(), fresh()

    def share() -> None:
        for parameter in network.parameters():
            parameter.grad = None

    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    ppo.update(network, optimizer, copy.copy(batch), PLAIN, torch.Generator(), share)
    assert same(network, untouched)
