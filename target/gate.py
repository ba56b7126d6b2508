"""The gate: reasons to refuse a candidate before anything of it runs.

A convenience: it saves a trial and gives a reason. The walls are the sandbox and the scorer.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache

from target import allowlist, constraints, entry_points, seeds
from target.literal import evaluate
from target.sites import find_sites
from target.source import BOM, Script, SourceError, encode, parse


def check(
    source: str,
    *,
    sealed: bool = True,
    parent: str | None = None,
    modules: Mapping[str, str] | None = None,
) -> str | None:
    """Why the candidate is invalid, as one sentence; None when it may run.

    A command target (`sealed=False`) has no entry points to check, and may import what it likes. A
    candidate may also do what its `parent` does: a script that a person has let in is its own. It
    may not break an assert that holds in its parent; `modules` are the sources of frozen files that
    it imports, by module name, for what such asserts say.
    """
    try:
        script = parse(source)
    except SourceError as error:
        return str(error)
    checks: list[Callable[[Script], str | None]] = [_compiles, _readable, _writable]
    if sealed:
        checks.append(entry_points.reason_against)
    reason = next((reason for test in checks if (reason := test(script))), None)
    if reason is None and sealed:
        reason = allowlist.check(source, parent)
    if reason is None and parent is not None and parent != source:
        reason = constraints.violated(source, modules, parent=parent)
    return reason


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


def _writable(script: Script) -> str | None:
    """A person's text may have characters that the encoding which it declares has not."""
    try:
        encode(script.text)
    except SourceError as error:
        return str(error)
    return None


def only_seeds(parent: str, candidate: str) -> bool:
    """Whether nothing but seeds, comments, docstrings and layout differs: mere luck."""
    try:
        return _essence(parent) == _essence(candidate)
    except RecursionError:  # nested too deeply to tell
        return False


@lru_cache(maxsize=8)
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
        seeds.blank(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (_is_text(s) or seeds.only_seeds(s))]
            node.body = kept  # type: ignore[attr-defined]
        return self.generic_visit(node)


def _is_text(stmt: ast.stmt) -> bool:
    """A docstring, or a string that stands alone: it does nothing."""
    return isinstance(stmt, ast.Expr) and isinstance(evaluate(stmt.value), str)
