"""Rules: each finds one kind of site. A new rule is one new module in this package.

A rule module defines `find(script: Script) -> list[Found]`. It finds by pattern, in scripts that
nobody has seen before, and finds nothing where nothing fits; every splice that it offers leaves a
script that parses.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from target.sites import Found
    from target.source import Script


class Rule(Protocol):
    """What a rule module offers."""

    def find(self, script: Script) -> list[Found]:
        """The rule's sites in this script."""


@cache
def load() -> tuple[Rule, ...]:
    """Every rule in this package, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast(Rule, importlib.import_module(f"{__name__}.{name}")) for name in names)
