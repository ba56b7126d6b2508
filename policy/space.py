"""The space of whole configurations, for optimisers that know nothing of edits."""

from __future__ import annotations

import math
import random
import statistics
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from policy.contract import Outcome, Proposal
from policy.search import SearchPolicy
from target import lattice
from target.edit import Edit, change
from target.literal import Value, same
from target.sites import Site, find_sites
from target.source import SourceError

Configuration = tuple[int, ...]  # one index per axis

_STEPS = 2  # of a random edit
_EDITS = 20  # random edits before all of them are gone through in order
_MARGIN = 0.1  # of the study's spread: how much worse than the worst score a failure counts


@dataclass(frozen=True)
class Axis:
    """A site's values within the lattice's span of the script as given, and which one it had."""

    site: str
    values: tuple[Value, ...]
    origin: int
    ordered: bool

    def index(self, value: Value) -> int:
        """The place of a value; of the nearest one in an ordered row; else the origin."""
        for place, known in enumerate(self.values):
            if same(known, value):
                return place
        if not self.ordered or isinstance(value, str):
            return self.origin
        gaps = [abs(float(known) - value) for known in self.values]
        return gaps.index(min(gaps))


class Space:
    """The axes of a script, and the way between its sources and configurations."""

    def __init__(self, source: str) -> None:
        self.axes = tuple(axis for site in find_sites(source) if (axis := _axis(site)))

    def encode(self, source: str) -> Configuration | None:
        """The configuration of a source; None when it does not parse."""
        try:
            found = {site.id: site for site in find_sites(source)}
        except SourceError:
            return None
        return tuple(
            axis.index(found[axis.site].value) if axis.site in found else axis.origin
            for axis in self.axes
        )

    def edit(self, configuration: Configuration, source: str) -> Edit:
        """What gives a source the configuration, as far as it can take it; it may be empty."""
        found = {site.id: site for site in find_sites(source)}
        changes = []
        for axis, wanted in zip(self.axes, configuration, strict=True):
            site, value = found.get(axis.site), axis.values[wanted]
            if site and wanted != axis.index(site.value) and _takes(site, value):
                changes.append(change(site, value))
        return Edit(tuple(changes))

    def reachable(self, site: Site) -> list[Value]:
        """The values on the site's axis that it can take, but its present one."""
        axis = next((axis for axis in self.axes if axis.site == site.id), None)
        if axis is None:
            return []
        return [v for v in axis.values if not same(v, site.value) and _takes(site, v)]


def _axis(site: Site) -> Axis | None:
    near = [*lattice.span(site), site.value]
    row = [v for v in lattice.values(site) if any(same(v, other) for other in near)]
    if len(row) < 2:
        return None
    origin = next(place for place, v in enumerate(row) if same(v, site.value))
    return Axis(site.id, tuple(row), origin, lattice.shape(site) != "choices")


def _takes(site: Site, value: Value) -> bool:
    if site.kind in ("choice", "structure"):
        return any(same(value, choice) for choice in site.choices)
    if type(value) is not type(site.value) or isinstance(value, str):
        return False
    return (site.low is None or value >= site.low) and (site.high is None or value <= site.high)


class History:
    """What is known of each configuration, in the order in which it was first told."""

    def __init__(self) -> None:
        self._runs: dict[Configuration, list[float]] = {}
        self._failed: dict[Configuration, bool] = {}  # False: aborted as hopeless

    def __contains__(self, configuration: Configuration) -> bool:
        return configuration in self._runs

    def add(self, configuration: Configuration, outcome: Outcome) -> None:
        """Runs of one configuration count as their mean; a veto says nothing about it."""
        scored, score = outcome.status in ("keep", "discard"), outcome.val_bpb
        if outcome.status == "veto" or (scored and score is None):
            return
        runs = self._runs.setdefault(configuration, [])
        if scored and score is not None and math.isfinite(score):
            runs.append(score)
        else:
            self._failed[configuration] = outcome.status != "abort"

    def scores(self) -> dict[Configuration, float]:
        """The score of every configuration; nothing before there is one to compare with.

        An abort counts as the worst score, a failure as a bit worse than that.
        """
        known = {c: statistics.fmean(runs) for c, runs in self._runs.items() if runs}
        if not known:
            return {}
        worst, best = max(known.values()), min(known.values())
        failure = worst + max(_MARGIN * (worst - best), 1e-6 * abs(worst))
        return {c: known.get(c, failure if self._failed.get(c) else worst) for c in self._runs}

    def to_record(self) -> list[Any]:
        """Plain values for JSON."""
        return [[list(c), list(runs), self._failed.get(c)] for c, runs in self._runs.items()]

    @classmethod
    def from_record(cls, record: Iterable[Any]) -> History:
        """The history that `to_record` wrote."""
        history = cls()
        for indices, runs, failed in record:
            history._runs[tuple(indices)] = list(runs)
            if failed is not None:
                history._failed[tuple(indices)] = failed
        return history


class ConfigurationPolicy(SearchPolicy):
    """Suggests whole configurations; each becomes an edit of the incumbent.

    When no suggestion brings anything new, small random edits of the incumbent do.
    """

    def __init__(
        self,
        source: str,
        seed: int,
        *,
        sealed: bool | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(source, seed, sealed=sealed, modules=modules)
        self._given = source
        self._space = Space(source)
        self._history = History()
        self._pending: dict[int, Configuration] = {}  # by the proposal's number

    @abstractmethod
    def suggestions(self) -> Iterator[Configuration]:
        """A bounded number of configurations to try. There is at least one axis."""

    def reachable(self, site: Site) -> list[Value]:
        """Every value on the site's axis."""
        return self._space.reachable(site)

    def draw(self, site: Site, rng: random.Random) -> Value | None:
        """A value on the axis that is one or two steps away; any choice is one step away."""
        near = lattice.span(site, _STEPS)
        values = [v for v in self.reachable(site) if any(same(v, other) for other in near)]
        return rng.choice(values) if values else None

    def ask(self) -> Proposal:
        """The first suggestion that makes a new candidate."""
        number = self._number
        proposal = self._first_new(chain(self._suggested(), self._drawn(), self._listed()))
        configuration = self._space.encode(proposal.source)
        assert configuration is not None
        self._pending[number] = configuration
        return proposal

    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """Learn the score of the candidate's configuration."""
        super().tell(proposal, outcome)
        self._pending.pop(proposal.number, None)
        self._learn(proposal.source, outcome)

    def observe(self, source: str, outcome: Outcome) -> None:
        """Learn the score of the source's configuration."""
        super().observe(source, outcome)
        self._learn(source, outcome)

    def state_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().state_dict() | {
            "given": self._given,
            "history": self._history.to_record(),
            "pending": [[number, list(found)] for number, found in self._pending.items()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, its seed and its space included."""
        super().load_state_dict(state)
        self._given = state["given"]
        self._space = Space(self._given)
        if self._is_of_other_axes(state):
            state = {**state, "history": [], "pending": []}
        self._history = History.from_record(state["history"])
        self._pending = {number: tuple(found) for number, found in state["pending"]}

    def _is_of_other_axes(self, state: Mapping[str, Any]) -> bool:
        """Whether it is of a version that found other sites: its numbers say nothing here."""
        known = [record[0] for record in state["history"]]
        known += [found for _, found in state["pending"]]
        return any(len(found) != len(self._space.axes) for found in known)

    def _learn(self, source: str, outcome: Outcome) -> None:
        configuration = self._space.encode(source)
        if configuration is not None:
            self._history.add(configuration, outcome)

    def _suggested(self) -> Iterator[Edit]:
        if self._space.axes:
            for configuration in self.suggestions():
                yield self._space.edit(configuration, self._incumbent)

    def _drawn(self) -> Iterator[Edit]:
        rng = random.Random(f"{self._seed}:{self._number}:edit")
        sites = [site for site in find_sites(self._incumbent) if self.reachable(site)]
        if sites:
            for _ in range(_EDITS):
                yield self._draw_edit(sites, rng)
