"""Policies: who proposes the next edit. `policy.make(name, source, seed)` gives one by name."""

from policy.contract import (
    Outcome,
    Policy,
    PolicyError,
    PolicyExhausted,
    Proposal,
    Status,
)
from policy.registry import make, names

__all__ = [
    "Outcome",
    "Policy",
    "PolicyError",
    "PolicyExhausted",
    "Proposal",
    "Status",
    "make",
    "names",
]
