"""What a script calls the parts of torch: `F`, `nn.functional`, `torch`, ..."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from target.source import Script


@dataclass(frozen=True)
class Names:
    """Source text for torch, torch.nn and torch.nn.functional; None where the script imports none.

    `functions` holds what was imported by itself: local name to the name in torch.
    """

    torch: str | None
    nn: str | None
    functional: str | None
    functions: dict[str, str]

    def function(self, func: ast.expr) -> str | None:
        """The name in torch of the function that is called here, or None."""
        match func:
            case ast.Name(id=name):
                return self.functions.get(name)
            case ast.Attribute(value=value, attr=attr):
                prefixes = {self.torch, self.functional, *self._within(self.nn, "functional")}
                return attr if ast.unparse(value) in prefixes - {None} else None
        return None

    def module(self, func: ast.expr) -> str | None:
        """The name of the torch.nn class that is called here, or None."""
        match func:
            case ast.Attribute(value=value, attr=attr):
                return attr if ast.unparse(value) in {self.nn} - {None} else None
        return None

    @staticmethod
    def _within(parent: str | None, child: str) -> set[str]:
        return {f"{parent}.{child}"} if parent else set()


@lru_cache(maxsize=64)
def names_in(script: Script) -> Names:
    """The names by which the script's module level knows torch."""
    bound = imports(script)
    by_path: dict[str, str] = {}
    for local, path in bound.items():
        by_path.setdefault(path, local)
    torch = by_path.get("torch")
    nn = by_path.get("torch.nn") or (f"{torch}.nn" if torch else None)
    functional = by_path.get("torch.nn.functional") or (f"{nn}.functional" if nn else None)
    functions = {
        local: path.rpartition(".")[2]
        for local, path in bound.items()
        if path.rpartition(".")[0] in ("torch", "torch.nn.functional")
    }
    return Names(torch, nn, functional, functions)


@lru_cache(maxsize=64)
def imports(script: Script) -> dict[str, str]:
    """Local name to dotted path, of what the module level imports."""
    return dict(_imported(script))


def _imported(script: Script) -> Iterator[tuple[str, str]]:
    for node in script.nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom) or script.qualname(node):
            continue
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
            elif alias.asname:
                yield alias.asname, alias.name
            else:
                yield (top := alias.name.partition(".")[0]), top
