"""PPO during a real study: a contextual bandit that is held close to the policy as shipped.

Every few outcomes the network takes one small step on the last ones (`policy.ppo.update` with
gamma = 0). A sample's ratio is against the log-probability and the version of the network at its
ask; what is older than a few updates is dropped.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from policy import ppo
from policy.contract import PolicyError
from policy.features import Observation
from policy.network import Action, EditNetwork
from policy.rewards import Experience, Weights, merit, reward
from policy.tensors import keyed_generator, pack, unpack


@dataclass(frozen=True)
class OnlineSettings:
    """How much a real study may change the policy."""

    rate: float = 1e-4  # Adam's learning rate; at most 1e-3
    reference_weight: float = 0.3  # of the KL divergence from the shipped policy; at least 0.3
    window: int = 32  # outcomes that an update looks at
    first: int = 8  # outcomes before the first update
    every: int = 4  # outcomes between updates
    oldest: int = 4  # updates after which a sample is dropped
    epochs: int = 3
    entropy_weight: float = 0.002

    def __post_init__(self) -> None:
        for name, least in (
            ("window", 2),
            ("first", 2),
            ("every", 1),
            ("oldest", 0),
            ("epochs", 1),
        ):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise PolicyError(
                    f"learning.{name} = {value!r} must be a whole number from {least}"
                )
        if not 0 < self.rate <= 1e-3:
            raise PolicyError(f"learning.rate = {self.rate!r} must be above 0 and at most 1e-3")
        if self.reference_weight < 0.3:
            raise PolicyError(
                f"learning.reference_weight = {self.reference_weight!r} must be at least 0.3: "
                "less lets a few lucky outcomes undo what was learnt beforehand"
            )


@dataclass
class Sample:
    """An edit that was sampled, and later what came of it."""

    seen: Observation  # of one study
    moves: Tensor  # [1, MOVES]
    log_prob: float
    version: int  # of the network, at the ask
    reward: float = 0.0


class Learner:
    """Owns the network that a study asks, and adapts it."""

    def __init__(
        self, network: EditNetwork, seed: int, settings: OnlineSettings, weights: Weights
    ) -> None:
        self.network = network
        self.version = 0
        self.metrics: dict[str, float] = {}
        self._shipped = network
        self._seed = seed
        self._settings = settings
        self._weights = weights
        self._optimizer: torch.optim.Adam | None = None
        self._asked: dict[int, Sample] = {}
        self._told: list[Sample] = []
        self._window: list[Experience] = []
        self._count = 0

    def asked(self, number: int, seen: Observation, moves: Tensor, log_prob: float) -> None:
        """Remember what was sampled at ask `number`."""
        self._asked[number] = Sample(seen, moves, log_prob, self.version)

    def tell(self, number: int, log_prob: float | None, experience: Experience) -> None:
        """Take in an outcome, and learn when enough have come.

        What was told without the log-probability of its ask was not sampled as it was run: a
        person amended it, or another program version asked it. It is not learnt from.
        """
        worth = reward(experience, self._window, self._weights)
        if merit(experience) is not None:
            self._window = [*self._window, experience][-self._settings.window :]
        sample = self._asked.pop(number, None)
        if sample is None or sample.log_prob != log_prob:
            return
        sample.reward = worth
        self._told = [*self._told, sample][-self._settings.window :]
        self._count += 1
        settings = self._settings
        if self._count >= settings.first and (self._count - settings.first) % settings.every == 0:
            self._update()

    def _update(self) -> None:
        settings = self._settings
        fresh = [s for s in self._told if self.version - s.version <= settings.oldest]
        if len(fresh) < 2:
            return
        if self._optimizer is None:
            self._begin()
        assert self._optimizer is not None
        seen = Observation(*(torch.cat(p) for p in zip(*_padded(fresh), strict=True)))
        action = Action(torch.cat([sample.moves for sample in fresh]))
        rewards = torch.tensor([sample.reward for sample in fresh])
        with torch.no_grad():
            reference = self._shipped.evaluate(self._shipped.encode(seen), action).log_prob
        batch = ppo.Batch(
            seen=seen,
            action=action,
            log_prob=torch.tensor([sample.log_prob for sample in fresh]),
            advantage=rewards - rewards.mean(),  # gamma = 0: the window's mean is the baseline
            returns=rewards,
            reference=reference,
        )
        metrics = ppo.update(
            self.network,
            self._optimizer,
            batch,
            ppo.Settings(
                epochs=settings.epochs,
                minibatch=settings.window,
                value_weight=0.0,  # the critic was taught other returns
                entropy_weight=settings.entropy_weight,
                reference_weight=settings.reference_weight,
            ),
            keyed_generator(self._seed, self.version),
        )
        self.version += 1
        self._asked = {
            number: sample
            for number, sample in self._asked.items()
            if self.version - sample.version <= settings.oldest
        }
        self.metrics = asdict(metrics)

    def _begin(self) -> None:
        self.network = copy.deepcopy(self._shipped)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=self._settings.rate)

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        state: dict[str, Any] = {
            "seed": self._seed,
            "version": self.version,
            "count": self._count,
            "metrics": dict(self.metrics),
            "window": [asdict(experience) for experience in self._window],
            "asked": {str(number): _dump(sample) for number, sample in self._asked.items()},
            "told": [_dump(sample) for sample in self._told],
        }
        if self._optimizer is not None:
            state["network"] = pack(self.network.state_dict())
            state["optimizer"] = _dump_optimizer(self._optimizer)
        return state

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`. Raises ValueError, KeyError or RuntimeError for what does not fit."""
        self._seed, self.version, self._count = state["seed"], state["version"], state["count"]
        self.metrics = dict(state["metrics"])
        self._window = [Experience(**item) for item in state["window"]]
        self._asked = {int(number): _load(item) for number, item in state["asked"].items()}
        self._told = [_load(item) for item in state["told"]]
        self._optimizer, self.network = None, self._shipped
        if "network" in state:
            self._begin()
            assert self._optimizer is not None
            self.network.load_state_dict(unpack(state["network"]))
            _load_optimizer(self._optimizer, state["optimizer"])


def _padded(samples: list[Sample]) -> list[Observation]:
    """Observations with as many sites each: sites may have come since the first."""
    most = max(sample.seen.present.shape[1] for sample in samples)
    return [_pad(sample.seen, most) for sample in samples]


def _pad(seen: Observation, sites: int) -> Observation:
    missing = sites - seen.present.shape[1]
    if missing == 0:
        return seen

    def pad(part: Tensor) -> Tensor:
        return torch.cat((part, part.new_zeros(1, missing, *part.shape[2:])), 1)

    return seen._replace(
        sites=pad(seen.sites),
        bins=pad(seen.bins),
        valid=pad(seen.valid),
        present=pad(seen.present),
    )


def _dump(sample: Sample) -> dict[str, Any]:
    tensors = {
        name: part.half() if part.is_floating_point() else part
        for name, part in sample.seen._asdict().items()
    }
    return {
        "seen": pack(tensors | {"moves": sample.moves}),
        "log_prob": sample.log_prob,
        "version": sample.version,
        "reward": sample.reward,
    }


def _load(item: Mapping[str, Any]) -> Sample:
    tensors = unpack(item["seen"])
    moves = tensors.pop("moves")
    seen = Observation(
        **{n: part.float() if part.is_floating_point() else part for n, part in tensors.items()}
    )
    return Sample(seen, moves, item["log_prob"], item["version"], item["reward"])


def _dump_optimizer(optimizer: torch.optim.Adam) -> str:
    tensors: dict[str, Tensor] = {}
    for index, entry in optimizer.state_dict()["state"].items():
        for name, value in entry.items():
            tensors[f"{index}.{name}"] = torch.as_tensor(value)
    return pack(tensors)


def _load_optimizer(optimizer: torch.optim.Adam, text: str) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in unpack(text).items():
        index, part = name.split(".", 1)
        state.setdefault(int(index), {})[part] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
