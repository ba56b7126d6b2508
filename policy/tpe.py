"""The Tree-structured Parzen Estimator of Optuna over whole configurations; needs optuna."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from typing import Any, Self

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from policy.space import Axis, Configuration, ConfigurationPolicy

_SUGGESTIONS = 20  # in one ask
_STARTUP = 10  # configurations with a score before densities are fitted

optuna.logging.set_verbosity(optuna.logging.ERROR)


class TpePolicy(ConfigurationPolicy):
    """Multivariate TPE; outstanding proposals count as bad ones (the constant liar).

    Optuna's study is made anew for each ask, so that an ask is a function of the seed, its number
    and what has been told, and a resumed policy goes on in the same way.
    """

    name = "tpe"

    def suggestions(self) -> Iterator[Configuration]:
        """Draws from where good configurations are dense and bad ones are not."""
        scores = self._history.scores()
        if len(scores) < _STARTUP:
            return
        domains = {str(place): _domain(axis) for place, axis in enumerate(self._space.axes)}
        told = [_trial(domains, found, score) for found, score in scores.items()]
        outstanding = [_trial(domains, found, None) for found in self._pending.values()]
        study = optuna.create_study(sampler=self._sampler())
        study.add_trials([*told, *outstanding])
        for _ in range(_SUGGESTIONS):
            trial = study.ask(domains)
            yield tuple(trial.params[name] for name in domains)
            study.tell(trial, state=TrialState.FAIL)

    def _sampler(self) -> TPESampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return TPESampler(
                multivariate=True,
                constant_liar=True,
                n_startup_trials=_STARTUP,
                seed=random.Random(f"{self._seed}:{self._number}").getrandbits(32),
            )


def _trial(
    domains: dict[str, BaseDistribution], found: Configuration, score: float | None
) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING if score is None else TrialState.COMPLETE,
        value=score,
        params=dict(zip(domains, found, strict=True)),
        distributions=domains,
    )


class _Ordered(IntDistribution):
    """Shared by all trials: most of an ask would else go into copies."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class _Unordered(CategoricalDistribution):
    """Shared by all trials."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def _domain(axis: Axis) -> BaseDistribution:
    size = len(axis.values)
    return _Ordered(0, size - 1) if axis.ordered else _Unordered(range(size))
