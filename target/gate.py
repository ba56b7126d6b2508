"""The gate: reasons to refuse a candidate before anything of it runs.

A convenience: it saves a trial and gives a reason. The walls are the sandbox and the scorer.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable

from target import allowlist
from target.literal import evaluate
from target.rules.constants import is_seed
from target.sites import find_sites
from target.source import BOM, Function, Script, SourceError, parse

ENTRY_POINTS = {"build_model": ("vocab_size", "seq_len"), "train": ("model", "run")}
_SEEDERS = re.compile(r"(initial_|random_|set_|manual_)?seeds?(_all|_everything)?")
_GENERATORS = re.compile(r"default_rng|RandomState|SeedSequence|PCG64|Random")


def check(source: str, *, sealed: bool = True, parent: str | None = None) -> str | None:
    """Why the candidate is invalid, as one sentence; None when it may run.

    A command target (`sealed=False`) has no entry points to check, and may import what it likes. A
    candidate may also do what its `parent` does: a script that a person has let in is its own.
    """
    try:
        script = parse(source)
    except SourceError as error:
        return str(error)
    checks: list[Callable[[Script], str | None]] = [_compiles, _readable]
    if sealed:
        checks.append(_entry_points)
    reason = next((reason for test in checks if (reason := test(script))), None)
    return reason or (allowlist.check(source, parent) if sealed else None)


def _compiles(script: Script) -> str | None:
    """Some errors show only when the tree is compiled: `return` outside a function, for one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(script.text.removeprefix(BOM), "train.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"the script does not parse: line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"the script does not parse: {error}"
    return None


def _readable(script: Script) -> str | None:
    """A hint that cannot be followed would stop the search at the next edit."""
    try:
        find_sites(script.text)
    except SourceError as error:
        return str(error)
    return None


def _entry_points(script: Script) -> str | None:
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


def only_seeds(parent: str, candidate: str) -> bool:
    """Whether nothing but seeds, comments, docstrings and layout differs: mere luck."""
    return _essence(parent) == _essence(candidate)


def _essence(source: str) -> str:
    tree = ast.parse(parse(source).text.removeprefix(BOM))
    return ast.dump(_Essence().visit(tree))


class _Essence(ast.NodeTransformer):
    """Takes out what does not count as a change."""

    def visit(self, node: ast.AST) -> ast.AST:
        """Fold constant arithmetic, blank out seeds, drop docstrings."""
        if isinstance(node, ast.expr):
            value = evaluate(node)
            if value is not None:
                return ast.Constant(value)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value is not None and all(map(_names_seed, targets)):
                node.value = ast.Constant(0)
        if isinstance(node, ast.keyword) and node.arg is not None and is_seed(node.arg):
            node.value = ast.Constant(0)
        if isinstance(node, ast.Call) and _seeds(node):
            node.args = []
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (_is_text(s) or _only_seeds(s))]
            node.body = kept  # type: ignore[attr-defined]
        return self.generic_visit(node)


def _is_text(stmt: ast.stmt) -> bool:
    """A docstring, or a string that stands alone: it does nothing."""
    return isinstance(stmt, ast.Expr) and isinstance(evaluate(stmt.value), str)


def _only_seeds(stmt: ast.stmt) -> bool:
    """A statement that seeds something, like `torch.manual_seed(3)`: adding one is luck too."""
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call) and _seeds(stmt.value)


def _names_seed(target: ast.expr) -> bool:
    name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
    return is_seed(name)


def _seeds(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if _GENERATORS.fullmatch(name):
        return len(call.args) == 1 and isinstance(evaluate(call.args[0]), int | None)
    return _SEEDERS.fullmatch(name) is not None
