"""How a statement ends."""

from __future__ import annotations

import enum


class Flow(enum.Enum):
    """How a statement ends."""

    ON = enum.auto()
    RETURN = enum.auto()
    LEAVE = enum.auto()  # break, continue, raise, exit
