"""`tpe`: the multivariate Tree-structured Parzen Estimator of Optuna, over whole configurations."""

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
    """Multivariate TPE over the script's sites."""
    try:
        from policy.tpe import TpePolicy
    except ImportError:
        raise PolicyError(
            "the policy tpe needs the package optuna: pip install 'arl-tui[optuna]'"
        ) from None
    return TpePolicy(source, seed, sealed=sealed, modules=modules)
