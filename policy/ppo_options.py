"""Tables of options of `ppo`: the reward's weights, and how much a study may change the policy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TypeVar

from policy.contract import PolicyError
from policy.learner import OnlineSettings
from policy.rewards import Weights

Options = TypeVar("Options", OnlineSettings, Weights)


def changed(default: Options, name: str, changes: Mapping[str, float] | None) -> Options:
    """The default with some fields changed. Raises PolicyError for a field that there is not."""
    known = asdict(default)
    if changes is not None and not isinstance(changes, Mapping):
        raise PolicyError(f"{name} = {changes!r} must be a table of {', '.join(known)}")
    for key, value in (changes or {}).items():
        if key not in known:
            raise PolicyError(f"{name} has no {key!r}: choose from {', '.join(known)}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise PolicyError(f"{name}.{key} = {value!r} is not a number")
    return type(default)(**{**known, **(changes or {})})
