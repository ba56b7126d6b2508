"""A script's statements, followed in order as far as their values are known.

What may or may not happen makes the names that it would bind unknown. Asserts, and raises under an
`if`, are noted where it is sure that the script comes there.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from target.bindings import is_guard
from target.calls import Calls
from target.flow import Flow
from target.known import UNKNOWN, Class, Dotted, Function, Module, Record, Scope, Value, truth
from target.source import SourceError, parse

_ROUNDS = 64  # of a loop that is gone through
_CHANGES = ("append", "extend", "insert", "pop", "remove", "update", "clear", "setdefault", "sort")


class Execution(Calls):
    """Follows a script. Subclasses are told of its asserts."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        super().__init__()
        self.sources = dict(modules)
        self.modules: dict[str, Module] = {}
        self.trees: dict[str, ast.Module] = {}

    def judge(self, stmt: ast.stmt, test: ast.expr, expected: bool, scope: Scope) -> None:
        """Called at an assert (`expected` is True) and at an `if test: raise` (False)."""

    def run(self, name: str, source: str) -> Module:
        """Follow a module from its first statement to its last. Raises SourceError."""
        tree = parse(source).tree
        self.sources[name], self.trees[name] = source, tree
        module = self.modules[name] = Module(name)
        module.names["__name__"] = name
        self.block(tree.body, Scope(module, module.names))
        return module

    def block(self, stmts: Sequence[ast.stmt], scope: Scope) -> Flow:
        """Follow statements until one leaves the block."""
        for stmt in stmts:
            flow = self._statement(stmt, scope)
            if flow is not Flow.ON:
                return flow
        return Flow.ON

    # -- statements --------------------------------------------------------------------------

    def _statement(self, stmt: ast.stmt, scope: Scope) -> Flow:
        match stmt:
            case ast.Assign(targets=targets, value=value):
                found = self.value(value, scope)
                for target in targets:
                    self.assign(target, found, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign(target, self.value(value, scope), scope)
            case ast.AugAssign(target=target, op=op, value=value):
                whole = ast.BinOp(_loaded(target), op, value)
                self.assign(target, self.value(whole, scope), scope)
            case ast.Expr(value=value):
                self.value(value, scope)
                self._changed(value, scope)
                return Flow.LEAVE if _exits(value) else Flow.ON
            case ast.Assert(test=test):
                self.judge(stmt, test, True, scope)
            case ast.If():
                return self._branch(stmt, scope)
            case ast.For():
                return self._loop(stmt, scope)
            case ast.While() | ast.AsyncFor() | ast.Match() | ast.AsyncWith():
                self.forget([stmt], scope)
            case ast.With(items=items, body=body):
                for item in items:
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, UNKNOWN, scope)
                if any("suppress" in ast.unparse(item.context_expr) for item in items):
                    self.forget(body, scope)
                    return Flow.ON
                return self.block(body, scope)
            case ast.Try():
                return self._try(stmt, scope)
            case ast.Return(value=value):
                scope.result = None if value is None else self.value(value, scope)
                return Flow.RETURN
            case ast.Raise() | ast.Break() | ast.Continue():
                return Flow.LEAVE
            case ast.Global(names=names):
                scope.declared.update(names)
            case ast.Import() | ast.ImportFrom():
                self._import(stmt, scope)
            case ast.FunctionDef(name=name):
                scope.set(name, Function(stmt, scope))
            case ast.ClassDef(name=name):
                scope.set(name, self.define(stmt, scope))
            case _:
                self.forget([stmt], scope)
        return Flow.ON

    def _branch(self, stmt: ast.If, scope: Scope) -> Flow:
        if _fails(stmt.body[-1]) and not is_guard(stmt):
            self.judge(stmt, stmt.test, False, scope)
        known = True if is_guard(stmt) else truth(self.value(stmt.test, scope))
        if is_guard(stmt) and scope.get("__name__") != "__main__":
            known = False
        if known is not None:
            return self.block(stmt.body if known else stmt.orelse, scope)
        self.forget([*stmt.body, *stmt.orelse], scope)
        if any(_leaves(part) for part in (*stmt.body, *stmt.orelse)):
            self.doubt += 1  # until the function ends: what follows may not be reached
            scope.result = UNKNOWN
        return Flow.ON

    def _loop(self, stmt: ast.For, scope: Scope) -> Flow:
        rounds = self.value(stmt.iter, scope)
        if not isinstance(rounds, tuple) or len(rounds) > _ROUNDS or stmt.orelse:
            self.forget([stmt], scope)
            return Flow.ON
        for item in rounds:
            self.assign(stmt.target, item, scope)
            flow = self.block(stmt.body, scope)
            if flow is Flow.RETURN:
                return flow
            if flow is Flow.LEAVE:
                self.forget([stmt], scope)
                break
        return Flow.ON

    def _try(self, stmt: ast.Try, scope: Scope) -> Flow:
        interrupts = ("KeyboardInterrupt", "SystemExit")
        harmless = all(
            handler.type is not None and ast.unparse(handler.type) in interrupts
            for handler in stmt.handlers
        )
        if not harmless:  # whatever happens in there may be caught
            self.forget([stmt], scope)
            return Flow.ON
        flow = self.block([*stmt.body, *stmt.orelse], scope)
        after = self.block(stmt.finalbody, scope)
        return flow if after is Flow.ON else after

    def forget(self, stmts: Sequence[ast.stmt], scope: Scope) -> None:
        """Make unknown whatever the statements would bind or change, if they ran."""
        pending: list[ast.AST] = list(stmts)
        while pending:
            node = pending.pop()
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    scope.set(name, UNKNOWN)
                    continue
                case ast.ClassDef(name=name):
                    scope.set(name, UNKNOWN)
                    continue
                case ast.Lambda():
                    continue
                case ast.alias(name=name, asname=asname):
                    scope.set(asname or name.partition(".")[0], UNKNOWN)
                case ast.Name(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store()):
                    self.assign(node, UNKNOWN, scope)
                case ast.Subscript(ctx=ast.Store() | ast.Del()):
                    self.assign(node, UNKNOWN, scope)
                case ast.Call():
                    self._changed(node, scope)
            pending.extend(ast.iter_child_nodes(node))

    def _changed(self, node: ast.expr, scope: Scope) -> None:
        """A method such as `append` leaves nothing known of what it is called on."""
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in _CHANGES:
                if isinstance(owner, ast.Name | ast.Attribute) and isinstance(
                    self.value(owner, scope), tuple | dict
                ):
                    self.assign(owner, UNKNOWN, scope)

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind what stands at the left of an assignment."""
        match target:
            case ast.Name(id=name):
                scope.set(name, value)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                fits = isinstance(value, tuple) and len(value) == len(parts)
                plain = not any(isinstance(part, ast.Starred) for part in parts)
                values = value if fits and plain else (UNKNOWN,) * len(parts)
                for part, item in zip(parts, values, strict=True):
                    self.assign(part, item, scope)
            case ast.Starred(value=inner):
                self.assign(inner, UNKNOWN, scope)
            case ast.Attribute(value=owner, attr=name):
                found = self.value(owner, scope)
                if isinstance(found, Record):
                    found.fields[name] = value
                elif isinstance(found, Class | Module):
                    found.names[name] = value
            case ast.Subscript(value=owner, slice=key):
                found = self.value(owner, scope)
                name = self.value(key, scope)
                if isinstance(found, dict) and isinstance(name, str):
                    found[name] = value
                elif isinstance(owner, ast.Name | ast.Attribute):
                    self.assign(owner, UNKNOWN, scope)

    def _import(self, stmt: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        if isinstance(stmt, ast.Import):
            for alias in stmt.names:
                path = alias.name if alias.asname else alias.name.partition(".")[0]
                scope.set(alias.asname or path, self._imported(path) or Dotted(path))
            return
        source = self._imported(stmt.module or "")
        for alias in stmt.names:
            if alias.name == "*":
                names = source.names if source else {}
                for name in [name for name in names if not name.startswith("_")]:
                    scope.set(name, names[name])
                continue
            path = f"{stmt.module}.{alias.name}"
            missing = Dotted(path) if source is None else UNKNOWN
            value = missing if source is None else source.names.get(alias.name, missing)
            if value is missing:
                value = self._imported(path) or missing
            scope.set(alias.asname or alias.name, value)

    def _imported(self, name: str) -> Module | None:
        """The module of that name, followed when it is first asked for."""
        if name not in self.sources:
            name = f"{name}.__init__"
        if name in self.modules:
            return self.modules[name]
        if name not in self.sources:
            return None
        doubt = self.doubt
        try:
            return self.run(name, self.sources[name])
        except SourceError:
            return None
        finally:
            self.doubt = doubt


def _loaded(target: ast.expr) -> ast.expr:
    """The target of `x += 1`, to be read."""
    match target:
        case ast.Name(id=name):
            return ast.Name(name, ast.Load())
        case ast.Attribute(value=value, attr=name):
            return ast.Attribute(value, name, ast.Load())
    return ast.Constant(...)


def _exits(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="exit" | "quit")):
            return True
        case ast.Call(func=ast.Attribute(attr="exit" | "_exit")):
            return True
    return False


def _fails(stmt: ast.stmt) -> bool:
    """Whether this ends the script without a score: a raise, or an exit that says so."""
    match stmt:
        case ast.Raise():
            return True
        case ast.Expr(value=ast.Call(args=[ast.Constant(value=code)]) as call):
            return _exits(call) and code not in (0, None)
    return False


def _leaves(stmt: ast.stmt, in_loop: bool = False) -> bool:
    """Whether what follows may not be reached, and yet the script goes on."""
    if isinstance(stmt, ast.Return):
        return True
    if isinstance(stmt, ast.Break | ast.Continue):
        return not in_loop
    if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    in_loop = in_loop or isinstance(stmt, ast.For | ast.While | ast.AsyncFor)
    below = (node for node in ast.iter_child_nodes(stmt) if isinstance(node, ast.stmt))
    return any(_leaves(node, in_loop) for node in below)
