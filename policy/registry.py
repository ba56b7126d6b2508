"""Policies by name. A new policy is one new module `policy/<name>_policy.py`.

Its `make(source, seed, *, sealed, modules, **options)` gives the policy. A module is imported when
its policy is asked for, so that listing the names needs none of their libraries.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from policy.contract import Policy, PolicyError

_SUFFIX = "_policy"


@cache
def names() -> tuple[str, ...]:
    """The names of all policies."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    found = [m.name.removesuffix(_SUFFIX) for m in modules if m.name.endswith(_SUFFIX)]
    return tuple(sorted(name.replace("_", "-") for name in found))


def make(
    name: str,
    source: str,
    seed: int,
    *,
    sealed: bool | None = None,
    modules: Mapping[str, str] | None = None,
    program: str | None = None,
    **options: Any,
) -> Policy:
    """The policy of that name, for a script and a seed. Raises PolicyError.

    `sealed`: candidates need the entry points of a sealed script; None: if the script as given has
    them. `modules`: sources of frozen files that the script imports, by module name: what its
    asserts say about constants in there is understood, too. `program` is what people wrote for
    those who propose edits; it is handed on to a `make` that has a parameter of this name, for
    policies that read no language have none.
    """
    if name not in names():
        raise PolicyError(f"there is no policy {name!r}: choose one of {', '.join(names())}")
    module = importlib.import_module(f"policy.{name.replace('-', '_')}{_SUFFIX}")
    maker = cast(Callable[..., Policy], module.make)
    options |= {"sealed": sealed, "modules": modules}
    if "program" in inspect.signature(maker).parameters:
        options["program"] = program
    try:
        inspect.signature(maker).bind(source, seed, **options)
    except TypeError as error:
        raise PolicyError(f"the policy {name} does not take these options: {error}") from None
    return maker(source, seed, **options)
