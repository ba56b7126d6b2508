"""`cmaes`: CMA-ES with margin, for integers and choices, over whole configurations."""

from __future__ import annotations

from collections.abc import Mapping

from policy.contract import Policy, PolicyError


def make(
    source: str,
    seed: int,
    *,
    sealed: bool | None = None,
    modules: Mapping[str, str] | None = None,
) -> Policy:
    """CMA-ES over the script's sites."""
    try:
        from policy.cmaes import CmaEsPolicy
    except ImportError:
        raise PolicyError(
            "the policy cmaes needs the package cmaes: pip install 'arl-tui[optuna]'"
        ) from None
    return CmaEsPolicy(source, seed, sealed=sealed, modules=modules)
