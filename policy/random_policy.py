"""`random`: one to three sites, each set to any value of its lattice within reach."""

from __future__ import annotations

from collections.abc import Mapping

from policy.contract import Policy
from policy.search import SearchPolicy
from target import lattice
from target.literal import Value
from target.sites import Site


class RandomPolicy(SearchPolicy):
    """Sites and values drawn uniformly: the yardstick that a policy has to beat."""

    name = "random"

    def reachable(self, site: Site) -> list[Value]:
        """Every value within the lattice's span."""
        return lattice.span(site)


def make(
    source: str,
    seed: int,
    *,
    sealed: bool | None = None,
    modules: Mapping[str, str] | None = None,
) -> Policy:
    """Random search over the script's sites."""
    return RandomPolicy(source, seed, sealed=sealed, modules=modules)
