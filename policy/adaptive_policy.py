"""`adaptive`: hand-made statistics of what each direction of each site has brought. No network."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping
from typing import Any

from policy.contract import FAILURES, Outcome, Policy, Proposal
from policy.noise import pooled_deviation
from policy.search import SearchPolicy, digest
from target import lattice
from target.edit import Change, Edit, change
from target.literal import Value, same
from target.sites import Site, find_sites
from target.source import SourceError

_PRIOR = [-0.3, 1.0, 0.0, 0.0, 0.0]  # mean gain, its variance, tries, blame for failures, dislike
_SPREAD = 0.4  # variance of one outcome, on the gain's scale
_DRIFT = 0.01  # variance that every tell adds: old credit fades
_STEPS = (1, 1, 2, 2)
_RECENT = 64
_HOPELESS = -1.8  # an abort is taken as at least three times the noise worse: -asinh(3)


class AdaptivePolicy(SearchPolicy):
    """Thompson sampling over (site, direction), two or three sites at a time.

    The gain of an edit is taken as the sum of the gains of its directions; each learns its share of
    the surprise in proportion to how unsure it is (a Kalman filter with a diagonal covariance).
    """

    name = "adaptive"

    def __init__(
        self,
        source: str,
        seed: int,
        *,
        sealed: bool | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(source, seed, sealed=sealed, modules=modules)
        self._arms: dict[str, dict[str, list[float]]] = {}  # site -> direction -> as _PRIOR
        self._runs: dict[str, list[float]] = {}  # scores of incumbents and of what was observed
        self._scores: list[float] = []
        self._changes: list[float] = []  # |score - the parent's|, the latest last

    def reachable(self, site: Site) -> list[Value]:
        """One or two steps up or down; every choice is one step away."""
        return lattice.span(site, 2)

    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """Share the gain, the blame or the dislike among the directions that were taken."""
        super().tell(proposal, outcome)
        moves = _moves(proposal.parent, proposal.source)
        arms = [self._arm(site, way) for site, way in moves]
        score = outcome.val_bpb
        for arm in arms:
            arm[2] += 1
        if outcome.status == "veto":
            for arm in arms:
                arm[4] += 1 / len(arms)
        elif outcome.status in FAILURES:
            blame = [0.2 + arm[3] / arm[2] for arm in arms]
            for arm, share in zip(arms, blame, strict=True):
                arm[3] += share / sum(blame)
        elif outcome.status == "abort":
            # Only known to be worse than the threshold: it never raises what is expected.
            self._learn(arms, min(_HOPELESS, sum(arm[0] for arm in arms)))
        elif score is not None and math.isfinite(score):
            self._learn(arms, self._gain(proposal.parent, score))
        if outcome.status == "keep":
            if score is not None and math.isfinite(score):
                self._runs.setdefault(digest(proposal.source), []).append(score)
            self._moved(moves)

    def observe(self, source: str, outcome: Outcome) -> None:
        """Replicates tell the noise, and a baseline what a gain is counted from."""
        super().observe(source, outcome)
        if outcome.val_bpb is not None and math.isfinite(outcome.val_bpb):
            self._runs.setdefault(digest(source), []).append(outcome.val_bpb)

    def state_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().state_dict() | {
            "arms": {
                s: {w: list(arm) for w, arm in ways.items()} for s, ways in self._arms.items()
            },
            "runs": {name: list(scores) for name, scores in self._runs.items()},
            "scores": list(self._scores),
            "changes": list(self._changes),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, its seed included."""
        super().load_state_dict(state)
        arms, runs = state["arms"], state["runs"]
        self._arms = {s: {w: list(arm) for w, arm in ways.items()} for s, ways in arms.items()}
        self._runs = {name: list(scores) for name, scores in runs.items()}
        self._scores, self._changes = list(state["scores"]), list(state["changes"])

    def _draw_edit(self, sites: list[Site], rng: random.Random) -> Edit:
        """The two or three sites whose best direction promises most in one random belief."""
        promises: list[tuple[float, Site, Value]] = []
        for site in sites:
            options = [self._promise(site, value, rng) for value in self._options(site, rng)]
            if options:
                value_of, value = max(options, key=lambda option: option[0])
                promises.append((value_of, site, value))
        promises.sort(key=lambda promise: -promise[0])
        chosen = promises[: rng.choice((2, 2, 3))]
        changes: list[Change] = [change(site, value) for _, site, value in chosen]
        return Edit(tuple(changes))

    def _options(self, site: Site, rng: random.Random) -> list[Value]:
        if lattice.shape(site) == "choices":
            return self.reachable(site)
        steps = [sign * rng.choice(_STEPS) for sign in (1, -1)]
        reached = (lattice.step(site, site.value, n) for n in steps)
        return [value for value in reached if value is not None]

    def _promise(self, site: Site, value: Value, rng: random.Random) -> tuple[float, Value]:
        mean, variance, tries, blame, dislike = self._arms.get(site.id, {}).get(
            _way(site, value), _PRIOR
        )
        fails = blame / (tries + 1)
        return rng.gauss(mean, math.sqrt(variance)) - 4 * fails - dislike, value

    def _arm(self, site: str, way: str) -> list[float]:
        return self._arms.setdefault(site, {}).setdefault(way, list(_PRIOR))

    def _learn(self, arms: list[list[float]], gain: float) -> None:
        for ways in self._arms.values():
            for arm in ways.values():
                arm[1] = min(_PRIOR[1], arm[1] + _DRIFT)
        surprise = gain - sum(arm[0] for arm in arms)
        total = sum(arm[1] for arm in arms) + _SPREAD
        for arm in arms:
            share = arm[1] / total
            arm[0] += share * surprise
            arm[1] -= share * arm[1]

    def _gain(self, parent: str, score: float) -> float:
        """How much better than the parent, in units of the noise, large ones compressed."""
        known = self._runs.get(digest(parent))
        start = statistics.fmean(known) if known else statistics.median([*self._scores, score])
        self._scores = [*self._scores, score][-_RECENT:]
        self._changes = [*self._changes, abs(score - start)][-_RECENT:]
        noise = self._noise()
        return math.asinh((start - score) / noise) if noise > 0 else 0.0

    def _noise(self) -> float:
        """The standard deviation of replicates; without any, half the median change."""
        noise = pooled_deviation(self._runs)
        if noise is not None:
            return noise
        return statistics.median(self._changes) / 2

    def _moved(self, moves: list[tuple[str, str]]) -> None:
        """The incumbent has moved: going on promises more than going back; forget old failures."""
        for site, way in moves:
            here = self._arms[site][way]
            momentum = [max(0.2, 0.6 * here[0]), 0.5, 0.0, 0.0, here[4]]
            self._arms[site] = {way: momentum}
            if way in "+-":
                self._arms[site]["-" if way == "+" else "+"] = [-0.8, 0.3, 0.0, 0.0, 0.0]


def _way(site: Site, value: Value) -> str:
    """The direction of a move: up, down, or one of the choices."""
    if lattice.shape(site) == "choices" or isinstance(value, str) or isinstance(site.value, str):
        return f"={value}"
    return "+" if value > site.value else "-"


def _moves(parent: str, source: str) -> list[tuple[str, str]]:
    """The sites in which a candidate differs from its parent, and which way."""
    try:
        before, after = find_sites(parent), {site.id: site for site in find_sites(source)}
    except SourceError:  # what a person amended may be broken
        return []
    return [
        (site.id, _way(site, after[site.id].value))
        for site in before
        if site.id in after and not same(site.value, after[site.id].value)
    ]


def make(
    source: str,
    seed: int,
    *,
    sealed: bool | None = None,
    modules: Mapping[str, str] | None = None,
) -> Policy:
    """Adaptive search over the script's sites."""
    return AdaptivePolicy(source, seed, sealed=sealed, modules=modules)
