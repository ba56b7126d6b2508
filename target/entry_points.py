"""The entry points of a sealed script: `build_model` and `train`."""

from __future__ import annotations

import ast
from functools import lru_cache

from target.source import Function, Script

ENTRY_POINTS = {"build_model": ("vocab_size", "seq_len"), "train": ("model", "run")}


def is_sealed(script: Script) -> bool:
    """Whether the script has the entry points, so that the harness trains and scores it."""
    return reason_against(script) is None


@lru_cache(maxsize=64)
def reason_against(script: Script) -> str | None:
    """Why the script is no sealed one, as one sentence; None when it is."""
    for name, arguments in ENTRY_POINTS.items():
        wanted = f"{name}({', '.join(arguments)})"
        function: Function | None = None
        bound = False
        for node in script.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                function = function if script.qualname(node) else node
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound = bound or (node.id == name and not script.qualname(node))
        if function is None:
            if bound:
                continue  # made by a decorator or a partial: only running it can tell
            return f"the script has no function {wanted} at its top level"
        if isinstance(function, ast.AsyncFunctionDef) or not _takes(function.args, arguments):
            return f"line {function.lineno}: {name} must be a plain function {wanted}"
    return None


def _takes(signature: ast.arguments, wanted: tuple[str, ...]) -> bool:
    """Whether a call with these arguments, by position, works."""
    positional = [*signature.posonlyargs, *signature.args]
    required = len(positional) - len(signature.defaults)
    keyword_only = sum(default is None for default in signature.kw_defaults)
    enough = len(positional) >= len(wanted) or signature.vararg is not None
    return enough and required <= len(wanted) and keyword_only == 0
