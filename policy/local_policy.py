"""`local`: one to three sites, each one or two steps from where the incumbent is. No learning."""

from __future__ import annotations

from collections.abc import Mapping

from policy.contract import Policy
from policy.search import SearchPolicy
from target import lattice
from target.literal import Value
from target.sites import Site


class LocalPolicy(SearchPolicy):
    """Small steps around the incumbent: the honest ablation of a policy that learns."""

    name = "local"

    def reachable(self, site: Site) -> list[Value]:
        """One or two steps up or down; every choice is one step away."""
        return lattice.span(site, 2)


def make(
    source: str,
    seed: int,
    *,
    sealed: bool | None = None,
    modules: Mapping[str, str] | None = None,
) -> Policy:
    """Local search over the script's sites."""
    return LocalPolicy(source, seed, sealed=sealed, modules=modules)
