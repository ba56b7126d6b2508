"""Functions, classes and objects of a script, called and made as far as that is known."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache

from target import builtin_calls
from target.classes import annotated, default_of, is_config_name, takes_fields
from target.expressions import Expressions
from target.flow import Flow
from target.known import (
    UNKNOWN,
    Class,
    Dotted,
    Function,
    Module,
    Parser,
    Record,
    Scope,
    Value,
)

_DEEPEST = 24  # calls inside calls


class Calls(Expressions):
    """Follows calls. `reached` has the functions that were, `records` the objects of settings."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: set[ast.AST] = set()
        self.records: list[Record] = []
        self._depth = 0

    @abstractmethod
    def block(self, stmts: Sequence[ast.stmt], scope: Scope) -> Flow:
        """Follow statements until one leaves the block."""

    def define(self, node: ast.ClassDef, scope: Scope) -> Class:
        """The class that a statement defines."""
        made = Class(node, scope)
        inner = Scope(scope.module, made.names, scope)
        for stmt in node.body:
            match stmt:
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    default = default_of(value)
                    self.assign(target, self.value(default, inner) if default else UNKNOWN, inner)
                case ast.FunctionDef(name=name):
                    # What a method reads is not looked up among the names of its class.
                    made.names[name] = Function(stmt, scope)
                case ast.Assign():
                    self.block([stmt], inner)
        return made

    def attribute(self, owner: Value, name: str) -> Value:
        """The attribute of a value, methods and properties included."""
        if isinstance(owner, Record):
            if name in owner.fields or owner.cls is None:
                return owner.fields.get(name, UNKNOWN)
            found = self._inherited(owner.cls, name)
            if not isinstance(found, Function):
                return found
            kinds = {ast.unparse(d) for d in getattr(found.node, "decorator_list", [])}
            if "staticmethod" in kinds:
                return found
            method = Function(found.node, found.scope, owner)
            return self.call(method, (), {}, True) if kinds & {"property"} else method
        if isinstance(owner, Class):
            return self._inherited(owner, name)
        if isinstance(owner, Module):
            return owner.names.get(name, UNKNOWN)
        if isinstance(owner, Dotted):
            path = f"{owner.path}.{name}"
            return builtin_calls.CONSTANTS.get(path, Dotted(path))
        return UNKNOWN

    def _inherited(self, cls: Class, name: str, depth: int = 0) -> Value:
        if name in cls.names:
            return cls.names[name]
        for base in cls.node.bases if depth < _DEEPEST else []:
            found = self.value(base, cls.scope)
            if isinstance(found, Class):
                return self._inherited(found, name, depth + 1)
        return UNKNOWN

    def call(
        self, function: Value, args: tuple[Value, ...], keywords: dict[str, Value], known: bool
    ) -> Value:
        """What calling it gives."""
        if isinstance(function, Class):
            return self._construct(function, args, keywords, known)
        if isinstance(function, Function):
            return self.apply(function, args, keywords, known)
        if isinstance(function, Dotted):
            if function.path.rpartition(".")[2] == "ArgumentParser":
                return Parser()
            return builtin_calls.call(function.path, args, keywords) if known else UNKNOWN
        return UNKNOWN

    def apply(
        self, function: Function, args: tuple[Value, ...], keywords: dict[str, Value], known: bool
    ) -> Value:
        """Follow a function's body, and give what it returns."""
        node = function.node
        if self._depth >= _DEEPEST or _is_generator(node):
            return UNKNOWN
        first = () if function.bound is UNKNOWN else (function.bound,)
        scope = Scope(function.scope.module, {}, function.scope)
        scope.names |= self._arguments(function, (*first, *args), keywords, known)
        if isinstance(node, ast.Lambda):
            return self.value(node.body, scope)
        self.reached.add(node)
        doubt = self.doubt
        self._depth += 1
        try:
            flow = self.block(node.body, scope)
        finally:
            self._depth -= 1
            unsure, self.doubt = self.doubt > doubt, doubt
        return UNKNOWN if unsure or flow is Flow.LEAVE else scope.result

    def _arguments(
        self, function: Function, args: tuple[Value, ...], given: dict[str, Value], known: bool
    ) -> dict[str, Value]:
        """The names that a function's signature binds in a call."""
        signature = function.node.args
        positional = [*signature.posonlyargs, *signature.args]
        found: dict[str, Value] = {}
        defaults = [None] * (len(positional) - len(signature.defaults)) + [*signature.defaults]
        pairs = [*zip(positional, defaults, strict=True)]
        pairs += zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
        for argument, default in pairs:
            use = default is not None and known
            found[argument.arg] = (
                self.value(default, function.scope) if use and default else UNKNOWN
            )
        found |= {a.arg: value for a, value in zip(positional, args, strict=False)}
        found |= {name: value for name, value in given.items() if name in found}
        for rest in (signature.vararg, signature.kwarg):
            if rest is not None:
                found[rest.arg] = UNKNOWN
        return found

    def _construct(
        self, cls: Class, args: tuple[Value, ...], keywords: dict[str, Value], known: bool
    ) -> Value:
        node = cls.node
        made = Record(node.name, {}, cls)
        if takes_fields(node):
            names = annotated(node)
            made.fields = {
                name: cls.names.get(name, UNKNOWN) if known else UNKNOWN for name in names
            }
            made.fields |= dict(zip(names, args, strict=False))
            made.fields |= keywords
            after = cls.names.get("__post_init__")
            if isinstance(after, Function):
                self.apply(Function(after.node, after.scope, made), (), {}, True)
        else:
            start = self._inherited(cls, "__init__")
            if isinstance(start, Function):
                self.apply(Function(start.node, start.scope, made), args, keywords, known)
        made.settings = takes_fields(node) or is_config_name(node.name)
        if made.settings:
            self.records.append(made)
        return made


@lru_cache(maxsize=256)
def _is_generator(node: ast.FunctionDef | ast.Lambda) -> bool:
    return any(isinstance(part, ast.Yield | ast.YieldFrom | ast.Await) for part in ast.walk(node))
