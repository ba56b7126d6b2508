"""CMA-ES over whole configurations, in its variant for integers and choices; needs cmaes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from cmaes import CatCMAwM

from policy.contract import Outcome, Proposal
from policy.space import Axis, Configuration, ConfigurationPolicy

_SUGGESTIONS = 100  # in one ask
_DEVIATION = 0.5  # lattice steps: the first standard deviation, around the script as given
_CENTRE = 0.8  # the first probability of a choice that the script as given has
_DIGITS = 4  # of a lattice step


class Sample(NamedTuple):
    """A draw: the Gaussian part, the choices, and the generation that it was drawn in."""

    place: list[float]
    choices: list[int]
    generation: int


class Distribution:
    """CatCMA with margin (Hamano et al., 2025) over the indices of the axes.

    It is a function of the ranked samples of every generation, and can be made again from them.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._axes = axes
        self.generation = 0
        self._seed = 0
        self._begin([axis.origin for axis in axes])

    def _begin(self, centre: Sequence[int]) -> None:
        places = list(zip(self._axes, centre, strict=True))
        ordered = [(axis, at) for axis, at in places if axis.ordered]
        unordered = [(len(axis.values), at) for axis, at in places if not axis.ordered]
        self._most = max((size for size, _ in unordered), default=0)
        chances = np.zeros((len(unordered), self._most))
        for row, (size, at) in zip(chances, unordered, strict=True):
            row[:size] = (1 - _CENTRE) / (size - 1)
            row[at] = _CENTRE
        self._cma = CatCMAwM(
            z_space=[range(len(axis.values)) for axis, _ in ordered] or None,
            c_space=[size for size, _ in unordered] or None,
            mean=np.array([float(at) for _, at in ordered]),
            cov=np.eye(len(ordered)) * _DEVIATION**2,
            cat_param=chances if unordered else None,
            seed=self._seed,
        )

    @property
    def population(self) -> int:
        """The samples in one generation."""
        return int(self._cma.population_size)

    def seed(self, seed: int) -> None:
        """What the next samples depend on."""
        self._seed = seed
        self._cma.reseed_rng(seed)

    def sample(self) -> Sample:
        """One draw."""
        drawn = self._cma.ask()
        place = [] if drawn._v_raw is None else [round(float(v), _DIGITS) for v in drawn._v_raw]
        choices = [] if drawn.c is None else [int(k) for k in drawn.c.argmax(axis=1)]
        return Sample(place, choices, self.generation)

    def configuration(self, sample: Sample) -> Configuration:
        """The configuration that a sample stands for."""
        place, choices = iter(sample.place), iter(sample.choices)
        return tuple(
            min(max(math.ceil(next(place) - 0.5), 0), len(axis.values) - 1)
            if axis.ordered
            else next(choices)
            for axis in self._axes
        )

    def update(self, ranked: Sequence[Sample]) -> None:
        """Go on to the next generation, from one population with the best first."""
        one_hot = np.eye(self._most, dtype=bool)
        solutions = [
            CatCMAwM.Solution(
                c=one_hot[sample.choices] if sample.choices else None,
                _v_raw=np.array(sample.place) if sample.place else None,
            )
            for sample in ranked
        ]
        self.generation += 1
        try:
            with np.errstate(all="raise", under="ignore"):
                self._cma.tell([(found, float(rank)) for rank, found in enumerate(solutions)])
        except FloatingPointError:  # after very many generations: start afresh at the best
            self._begin(self.configuration(ranked[0]))


class CmaEsPolicy(ConfigurationPolicy):
    """A generation ends when as many samples were told as the population has.

    A sample that was tried before counts at once, with the score that it had. One that is told
    in the generation after its own still counts; later it does not.
    """

    name = "cmaes"

    def __init__(
        self,
        source: str,
        seed: int,
        *,
        sealed: bool | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(source, seed, sealed=sealed, modules=modules)
        self._past: list[list[Sample]] = []  # generations, the best sample first
        self._told: list[tuple[Sample, Configuration]] = []
        self._asked: dict[int, Sample] = {}  # by the proposal's number
        self._latest: Sample | None = None
        self._begin()

    def suggestions(self) -> Iterator[Configuration]:
        """Draws from the distribution."""
        self._distribution.seed(random.Random(f"{self._seed}:{self._number}").getrandbits(32))
        known = self._history.scores()
        for _ in range(_SUGGESTIONS):
            sample = self._distribution.sample()
            configuration = self._distribution.configuration(sample)
            if configuration in known:
                self._count(sample, configuration)
            else:
                self._latest = sample
                yield configuration
        self._latest = None  # what is proposed now is no sample

    def ask(self) -> Proposal:
        """The next sample that makes a new candidate."""
        number = self._number
        proposal = super().ask()
        if self._latest is not None:
            self._asked[number] = self._latest
        return proposal

    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """Count the sample, unless a person vetoed or amended it."""
        expected = self._pending.get(proposal.number)
        super().tell(proposal, outcome)
        sample = self._asked.pop(proposal.number, None)
        configuration = self._space.encode(proposal.source)
        if sample is None or configuration is None or configuration != expected:
            return
        late = sample.generation < self._distribution.generation - 1
        if configuration in self._history and not late:
            self._count(sample, configuration)

    def state_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().state_dict() | {
            "past": [[list(sample) for sample in ranked] for ranked in self._past],
            "told": [[list(sample), list(found)] for sample, found in self._told],
            "asked": [[number, list(sample)] for number, sample in self._asked.items()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state: its generations are gone through again."""
        super().load_state_dict(state)
        if self._is_of_other_axes(state):
            state = {**state, "past": [], "told": [], "asked": []}
        self._past = [[Sample(*sample) for sample in ranked] for ranked in state["past"]]
        self._told = [(Sample(*sample), tuple(found)) for sample, found in state["told"]]
        self._asked = {number: Sample(*sample) for number, sample in state["asked"]}
        self._begin()

    def _begin(self) -> None:
        if self._space.axes:
            self._distribution = Distribution(self._space.axes)
            for ranked in self._past:
                self._distribution.update(ranked)

    def _count(self, sample: Sample, configuration: Configuration) -> None:
        self._told.append((sample, configuration))
        told = self._told[-self._distribution.population :]
        if len(told) < self._distribution.population:
            return
        scores = self._history.scores()
        if scores:
            ranked = [sample for sample, _ in sorted(told, key=lambda item: scores[item[1]])]
            self._distribution.update(ranked)
            self._past.append(ranked)
            self._told = []
