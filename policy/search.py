"""Search without learning: what policies that draw edits around the incumbent have in common."""

from __future__ import annotations

import hashlib
import itertools
import random
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policy.contract import (
    Outcome,
    Policy,
    PolicyExhausted,
    Proposal,
    checked_state,
    propose,
    require_sites,
)
from target import gate
from target.edit import Change, Edit, EditError, apply, change
from target.literal import Value
from target.sites import Site, find_sites
from target.source import SourceError

MOST_CHANGES = 3
_DRAWS = 100  # random draws before every edit is gone through in order
_LISTED = 5000  # edits that are gone through before the policy gives up
_VERSION = 1


def digest(source: str) -> str:
    """The name of a source: its SHA-256."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


class SearchPolicy(Policy):
    """Draws edits of the incumbent, never the same candidate twice.

    Every ask has its own random generator, keyed by the seed and the ask's number, so that a study
    that is resumed makes the same later proposals.
    """

    def __init__(
        self,
        source: str,
        seed: int,
        *,
        sealed: bool | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        """`sealed`: candidates need the entry points; None: if the script as given has them.

        `modules`: sources of frozen files that the script imports, by module name. They are no
        part of the state.
        """
        if sealed is None:
            sealed = gate.check(source, parent=source) is None
        require_sites(source, sealed=sealed)
        self._seed = seed
        self._sealed = sealed
        self._modules = dict(modules or {})
        self._incumbent = source
        self._number = 0
        self._tried = {digest(source): None}  # a dict keeps the order

    @abstractmethod
    def reachable(self, site: Site) -> list[Value]:
        """The values that one change may give the site."""

    def draw(self, site: Site, rng: random.Random) -> Value | None:
        """One of the reachable values, each as likely; None when there is none."""
        values = self.reachable(site)
        return rng.choice(values) if values else None

    def ask(self) -> Proposal:
        """An edit of one to three sites that makes a new candidate."""
        rng = random.Random(f"{self._seed}:{self._number}")
        sites = [site for site in find_sites(self._incumbent) if self.reachable(site)]
        drawn = (self._draw_edit(sites, rng) for _ in range(_DRAWS))
        return self._first_new(itertools.chain(drawn, self._listed()))

    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """A kept candidate becomes the incumbent; nothing else is learned."""
        self._tried[digest(proposal.source)] = None
        # After a crash an ask that this policy does not remember may be told: its number is taken.
        self._number = max(self._number, proposal.number + 1)
        if outcome.status == "keep":
            self._incumbent = proposal.source

    def observe(self, source: str, outcome: Outcome) -> None:
        """A source that has been run need not be proposed."""
        self._tried[digest(source)] = None

    def state_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "policy": self.name,
            "version": _VERSION,
            "seed": self._seed,
            "sealed": self._sealed,
            "number": self._number,
            "incumbent": self._incumbent,
            "tried": list(self._tried),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, its seed included."""
        known = checked_state(state, self.name, _VERSION)
        self._seed = known["seed"]
        self._sealed = known["sealed"]
        self._number = known["number"]
        self._incumbent = known["incumbent"]
        self._tried = dict.fromkeys(known["tried"])

    def _draw_edit(self, sites: list[Site], rng: random.Random) -> Edit:
        count = min(rng.randint(1, MOST_CHANGES), len(sites))
        changes: list[Change] = []
        for site in rng.sample(sites, count):
            value = self.draw(site, rng)
            if value is not None:
                changes.append(change(site, value))
        return Edit(tuple(changes))

    def _first_new(self, edits: Iterable[Edit]) -> Proposal:
        """The first edit that makes a new candidate, as the next proposal."""
        for edit in edits:
            proposal = self._new(edit)
            if proposal is not None:
                return self._noted(proposal)
        raise self._exhausted()

    @staticmethod
    def _exhausted() -> PolicyExhausted:
        return PolicyExhausted(
            "every edit of the script's sites has been tried: give it more constants, or stop here"
        )

    def _noted(self, proposal: Proposal) -> Proposal:
        self._number += 1
        self._tried[digest(proposal.source)] = None
        return proposal

    def _listed(self) -> Iterator[Edit]:
        """The first of all edits, in order: what is left when random draws find nothing new."""
        sites = [site for site in find_sites(self._incumbent) if self.reachable(site)]
        return itertools.islice(self._all_edits(sites), _LISTED)

    def _all_edits(self, sites: list[Site]) -> Iterator[Edit]:
        """Every edit, those with fewer changes first."""
        for count in range(1, MOST_CHANGES + 1):
            for group in itertools.combinations(sites, count):
                for values in itertools.product(*map(self.reachable, group)):
                    pairs = zip(group, values, strict=True)
                    yield Edit(tuple(change(site, value) for site, value in pairs))

    def _new(self, edit: Edit) -> Proposal | None:
        if self._is_tried(edit):  # far cheaper than the gate
            return None
        return propose(
            edit,
            self._incumbent,
            number=self._number,
            sealed=self._sealed,
            modules=self._modules,
        )

    def _is_tried(self, edit: Edit) -> bool:
        try:
            return digest(apply(edit, self._incumbent)) in self._tried
        except (EditError, SourceError):
            return True
