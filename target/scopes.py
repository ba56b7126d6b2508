"""Which names a script binds, and where: whether `open` is a builtin or the script's own variable.

It errs on the side of the builtin and of the import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_NAMELESS = (ast.expr_context, ast.Constant, ast.operator, ast.unaryop, ast.boolop)
_BIND_NOTHING = (ast.Attribute, ast.Call, ast.BinOp, ast.Constant, ast.keyword, ast.Expr)
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes below that can hold names: faster than `ast.iter_child_nodes`."""
    found: list[ast.AST] = []
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, _NAMELESS):
            found.append(value)
    return found


def every(root: ast.AST) -> list[ast.AST]:
    """The node and all below it that can hold names."""
    found = [root]
    for node in found:
        found += children(node)
    return found


def bound_by(node: ast.AST) -> tuple[str, ...]:
    """The names that this node itself binds, deletes or declares; imports as their local names."""
    if isinstance(node, _BIND_NOTHING):
        return ()
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.alias(name=name, asname=asname):
            return (asname or name.partition(".")[0],)
        case ast.arg(arg=name):
            return (name,)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return (name,)
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return (name,)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return tuple(names)
    return ()


def function_names(function: ast.AST) -> frozenset[str]:
    """The names that are a function's own variables and nothing else in it."""
    assert isinstance(function, _FUNCTIONS)
    own: set[str] = set()
    other: set[str] = set()
    for node in every(function.args):
        own.update(bound_by(node) if isinstance(node, ast.arg) else ())
    for node in _inside(function.body):
        names = bound_by(node)
        (other if isinstance(node, ast.alias | ast.Global | ast.Nonlocal) else own).update(names)
    return frozenset(own - other)


def comprehension_names(node: Comprehension) -> frozenset[str]:
    """The names that a comprehension's loops bind."""
    targets = (part for loop in node.generators for part in every(loop.target))
    return frozenset(name for part in targets for name in bound_by(part))


def module_names(tree: ast.Module, nodes: list[ast.AST]) -> dict[str, int]:
    """Names that the module surely has as its own from a line on, and never gives back.

    `nodes` are all those of the tree.
    """
    found: dict[str, int] = {}
    for statement in tree.body:
        names: list[str] = []
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names = [statement.name]
        elif isinstance(statement, ast.Assign):
            names = [name for target in statement.targets for name in _stored(target)]
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            names = list(_stored(statement.target))
        for name in names:
            found.setdefault(name, statement.lineno)
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            found.pop(node.id, None)
    return found


def _stored(target: ast.expr) -> Iterator[str]:
    for node in every(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _inside(body: ast.expr | list[ast.stmt]) -> Iterator[ast.AST]:
    """Nodes whose bindings belong to the function that has this body."""
    pending: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, _FUNCTIONS | ast.ClassDef):
            continue
        if isinstance(node, ast.comprehension):
            pending += [node.iter, *node.ifs]  # its target is bound in the comprehension alone
        else:
            pending += children(node)
