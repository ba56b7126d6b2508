"""Proximal policy optimisation (Schulman et al., arXiv 1707.06347), for simulated and real studies.

Simulated studies are episodes: gamma = 1, advantages by GAE (Schulman et al., arXiv 1506.02438). A
real study is a contextual bandit: gamma = 0, so an experiment's reward is its own return. Both use
`update`; a real study adds a pull towards the policy as shipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from policy.features import Observation
from policy.network import Action, EditNetwork

_FAR = 3.0  # a log-ratio


@dataclass(frozen=True)
class Settings:
    """The algorithm's parameters, under the names that they have in the paper and in cleanrl."""

    epochs: int = 2
    minibatch: int = 1024
    clip: float = 0.2
    value_weight: float = 0.5
    entropy_weight: float = 0.002
    gradient_norm: float = 0.5
    reference_weight: float = 0.0  # of the KL divergence from a reference policy
    target_kl: float = 0.05  # an epoch that moves the policy further is the last


@dataclass
class Batch:
    """N sampled edits, and what came of them."""

    seen: Observation  # of N studies
    action: Action
    log_prob: Tensor  # [N], when sampled, as all below
    advantage: Tensor
    returns: Tensor
    truth: Tensor | None = None  # [N, TRUTH_FEATURES] for the critic
    reference: Tensor | None = None  # [N] log-probability under the reference policy

    def __len__(self) -> int:
        return len(self.log_prob)


@dataclass(frozen=True)
class Metrics:
    """Of one update: means over its minibatches; the KL as `ratio - 1 - log ratio`."""

    approx_kl: float
    clipfrac: float
    explained_variance: float
    entropy: float
    policy_loss: float
    value_loss: float


def advantages(
    rewards: Tensor, values: Tensor, gamma: float = 1.0, lambda_: float = 0.95
) -> tuple[Tensor, Tensor]:
    """GAE over episodes that end after the last step.

    `rewards` and `values` are [T, B]; so are the advantages and the returns.
    """
    last = torch.zeros_like(rewards[0])
    result = torch.zeros_like(rewards)
    following = torch.zeros_like(values[0])
    for t in reversed(range(len(rewards))):
        surprise = rewards[t] + gamma * following - values[t]
        last = surprise + gamma * lambda_ * last
        result[t], following = last, values[t]
    return result, result + values


def update(
    network: EditNetwork,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: Settings,
    generator: torch.Generator,
    share: Callable[[], None] | None = None,
) -> Metrics:
    """Some epochs of clipped surrogate descent. `share` averages gradients among processes."""
    spread = batch.returns.var(unbiased=False)
    sums, count = torch.zeros(6), 0
    weight = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-6)
    for _ in range(settings.epochs):
        moved, parts = 0.0, 0
        order = torch.randperm(len(batch), generator=generator)
        for index in torch.split(order, settings.minibatch):
            if len(index) < min(len(batch), settings.minibatch) / 2:
                continue  # a rest is too noisy a sample
            encoded = network.encode(batch.seen.pick(index))
            scores = network.evaluate(encoded, Action(batch.action.moves[index]))
            log_ratio = scores.log_prob - batch.log_prob[index]
            ratio = log_ratio.exp()
            clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
            policy_loss = -torch.minimum(ratio * weight[index], clipped * weight[index]).mean()
            truth = None if batch.truth is None else batch.truth[index]
            error = network.value(encoded, truth) - batch.returns[index]
            value_loss = error.square().mean()
            entropy = scores.entropy.mean()
            loss = policy_loss + settings.value_weight * value_loss
            loss = loss - settings.entropy_weight * entropy
            if batch.reference is not None and settings.reference_weight > 0:
                pull = _divergence(batch.reference[index] - scores.log_prob).mean()
                loss = loss + settings.reference_weight * pull
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if share is not None:
                share()
            nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_norm)
            optimizer.step()
            with torch.no_grad():
                kl = float((ratio - 1 - log_ratio).mean())
                outside = float((ratio - 1).abs().gt(settings.clip).float().mean())
                explained = 1 - float(error.var(unbiased=False) / (spread + 1e-8))
                losses = (float(policy_loss), float(value_loss))
                sums += torch.tensor((kl, outside, explained, float(entropy), *losses))
            moved, parts, count = moved + kl, parts + 1, count + 1
        if share is None and moved / max(parts, 1) > settings.target_kl:
            break
    return Metrics(*(sums / max(count, 1)).tolist())


def _divergence(behind: Tensor) -> Tensor:
    """An unbiased estimate of a KL divergence from log-ratios, linear where it would explode."""
    near = behind.clamp(max=_FAR)
    return near.exp() - 1 - near + (behind - near) * (math.exp(_FAR) - 1)
