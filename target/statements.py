"""Whole statements put into a script or taken out of it, in the script's own layout."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from target.sites import Splice
from target.source import Script


def insert_before(script: Script, stmt: ast.stmt, code: str) -> Splice:
    """Put the one-line statement `code` before `stmt`, indented as `stmt` is."""
    start, _ = script.span(stmt)
    line_start, _ = script.line_span(stmt.lineno)
    indent = script.text[line_start:start]
    before = script.text[:line_start].rstrip("\r\n")
    if indent.strip() or before.endswith("\\"):  # `if x: step()`, or a continued line
        return Splice(start, start, f"{code}; ")
    return Splice(start, start, f"{code}{script.newline}{indent}")


def remove(script: Script, stmts: Sequence[ast.stmt]) -> tuple[Splice, ...]:
    """Take out statements that share one block; `pass` stays where the block would be empty."""
    block = script.block(stmts[0])
    keep_one = len(block) == len(stmts)
    return tuple(_remove_one(script, stmt, keep=keep_one and stmt is stmts[0]) for stmt in stmts)


def _remove_one(script: Script, stmt: ast.stmt, *, keep: bool) -> Splice:
    start, end = script.span(stmt)
    line_start, _ = script.line_span(stmt.lineno)
    _, line_end = script.line_span(script.line_of(max(start, end - 1)))
    before, after = script.text[line_start:start], script.text[end:line_end]
    continued = script.text[:line_start].rstrip("\r\n").endswith("\\")
    alone = not before.strip() and re.fullmatch(r"\s*(#.*)?\s*", after) and not continued
    if keep or not alone:
        return Splice(start, end, "pass")
    return Splice(line_start, line_end, "")


def path_to(script: Script, stmt: ast.stmt) -> list[ast.stmt]:
    """The statements around `stmt`, from the outermost in its function (or module) to itself."""
    path = [stmt]
    for above in script.ancestors(stmt):
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            break
        if isinstance(above, ast.stmt):
            path.append(above)
    return path[::-1]


def import_line(script: Script, code: str) -> Splice:
    """Put an import at the top, behind the docstring and the imports from __future__."""
    body = script.tree.body
    at = 0
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        at = 1
    while at < len(body) - 1 and _is_future(body[at]):
        at += 1
    return insert_before(script, body[min(at, len(body) - 1)], code)


def _is_future(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.ImportFrom) and stmt.module == "__future__"
