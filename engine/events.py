"""What the engine tells whoever started it, as it happens; the database has the lasting record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EngineEvent:
    """One thing that happened: a type for programs, a sentence for people, and the numbers."""

    type: str
    sentence: str
    data: Mapping[str, Any] = field(default_factory=dict)


Announce = Callable[[EngineEvent], None]
