"""Expressions of a script, evaluated as far as that is known. Nothing of the script runs."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from target import builtin_calls
from target.known import (
    UNKNOWN,
    Dotted,
    Function,
    Parser,
    Record,
    Scope,
    Value,
    binary,
    by_name,
    compare,
    truth,
    unary,
)

_STEPS = 60_000  # expressions that are looked at in one reading
_MOST = 256  # rounds of a comprehension


class EnoughRead(Exception):
    """The script is too large to be read to its end."""


class Expressions(ABC):
    """Evaluates expressions. `doubt` is above 0 where it is not sure that a script gets there."""

    def __init__(self) -> None:
        self.doubt = 0
        self.divided_by_zero = False
        self._left = _STEPS

    @abstractmethod
    def call(
        self, function: Value, args: tuple[Value, ...], keywords: dict[str, Value], known: bool
    ) -> Value:
        """What calling `function` gives; `known` is False where there are other arguments, too."""

    @abstractmethod
    def attribute(self, owner: Value, name: str) -> Value:
        """The attribute of a value."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind what stands at the left of an assignment."""

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """The expression's value, or UNKNOWN."""
        self._left -= 1
        if self._left < 0:
            raise EnoughRead
        handler = _HANDLERS.get(type(node))
        return UNKNOWN if handler is None else handler(self, node, scope)

    # -- one method for each kind of expression ----------------------------------------------

    def _constant(self, node: ast.Constant, scope: Scope) -> Value:
        value = node.value
        return value if value is None or isinstance(value, int | float | str) else UNKNOWN

    def _name(self, node: ast.Name, scope: Scope) -> Value:
        value = scope.get(node.id)
        if value is UNKNOWN and node.id in builtin_calls.BUILTINS and not self._bound(node, scope):
            return Dotted(node.id)
        return value

    @staticmethod
    def _bound(node: ast.Name, scope: Scope) -> bool:
        at: Scope | None = scope
        while at is not None:
            if node.id in at.names:
                return True
            at = at.outer
        return node.id in scope.module.names

    def _attribute_of(self, node: ast.Attribute, scope: Scope) -> Value:
        return self.attribute(self.value(node.value, scope), node.attr)

    def _row(self, node: ast.Tuple | ast.List, scope: Scope) -> Value:
        items: list[Value] = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                more = self.value(item.value, scope)
                if not isinstance(more, tuple):
                    return UNKNOWN
                items += more
            else:
                items.append(self.value(item, scope))
        return tuple(items)

    def _dict(self, node: ast.Dict, scope: Scope) -> Value:
        found: dict[str, Value] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item, scope)
            name = None if key is None else self.value(key, scope)
            if key is None and isinstance(value, dict):
                found |= value
            elif isinstance(name, str):
                found[name] = value
            else:
                return UNKNOWN
        return found

    def _binary(self, node: ast.BinOp, scope: Scope) -> Value:
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        divides = isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod)
        if divides and not self.doubt and right == 0 and isinstance(left, int | float):
            self.divided_by_zero = True
        return binary(node.op, left, right)

    def _unary(self, node: ast.UnaryOp, scope: Scope) -> Value:
        return unary(node.op, self.value(node.operand, scope))

    def _boolean(self, node: ast.BoolOp, scope: Scope) -> Value:
        """Three-valued: one operand that decides is enough, whatever the others are."""
        decides = isinstance(node.op, ast.Or)
        doubt, value, open_ = self.doubt, UNKNOWN, False
        try:
            for operand in node.values:
                value = self.value(operand, scope)
                known = truth(value)
                if known is decides:
                    return UNKNOWN if open_ and not isinstance(value, bool) else value
                if known is None:
                    open_ = True
                    self.doubt += 1  # the next operand may never be looked at
        finally:
            self.doubt = doubt
        return UNKNOWN if open_ else value

    def _compare(self, node: ast.Compare, scope: Scope) -> Value:
        left = self.value(node.left, scope)
        result: Value = True
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node, scope)
            found = compare(op, left, right)
            if found is False:
                return False
            if found is not True:
                result = UNKNOWN
            left = right
        return result

    def _if(self, node: ast.IfExp, scope: Scope) -> Value:
        known = truth(self.value(node.test, scope))
        if known is None:
            return UNKNOWN
        return self.value(node.body if known else node.orelse, scope)

    def _walrus(self, node: ast.NamedExpr, scope: Scope) -> Value:
        value = self.value(node.value, scope)
        self.assign(node.target, value, scope)
        return value

    def _item(self, node: ast.Subscript, scope: Scope) -> Value:
        owner = self.value(node.value, scope)
        if isinstance(node.slice, ast.Slice):
            return UNKNOWN
        key = self.value(node.slice, scope)
        if isinstance(owner, dict) and isinstance(key, str):
            return by_name(owner, key)
        if (
            isinstance(owner, tuple | str)
            and isinstance(key, int)
            and -len(owner) <= key < len(owner)
        ):
            return owner[key]
        return UNKNOWN

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Value:
        return Function(node, scope)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp, scope: Scope) -> Value:
        if len(node.generators) != 1 or node.generators[0].is_async:
            return UNKNOWN
        loop = node.generators[0]
        rounds = self.value(loop.iter, scope)
        if not isinstance(rounds, tuple | str) or len(rounds) > _MOST:
            return UNKNOWN
        inner = Scope(scope.module, {}, scope)
        found = []
        for item in rounds:
            self.assign(loop.target, item, inner)
            tests = [truth(self.value(test, inner)) for test in loop.ifs]
            if None in tests:
                return UNKNOWN
            if all(tests):
                found.append(self.value(node.elt, inner))
        return tuple(found)

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        known = True
        args: list[Value] = []
        keywords: dict[str, Value] = {}
        for argument in node.args:
            if not isinstance(argument, ast.Starred):
                args.append(self.value(argument, scope))
            elif isinstance(more := self.value(argument.value, scope), tuple):
                args += more
            else:
                known = False
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, dict):
                keywords |= value
            else:
                known = False
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value, scope)
            if isinstance(owner, str):
                return builtin_calls.string_method(owner, node.func.attr, tuple(args))
            if isinstance(owner, Parser):
                return _parse(owner, node.func.attr, args, keywords)
            function = self.attribute(owner, node.func.attr)
        else:
            function = self.value(node.func, scope)
        return self.call(function, tuple(args), keywords, known)


def _parse(parser: Parser, name: str, args: list[Value], keywords: Mapping[str, Value]) -> Value:
    """What a method of a parser of the command line does: nobody says anything there."""
    if name in ("add_argument_group", "add_mutually_exclusive_group"):
        return parser
    if name == "set_defaults":
        parser.defaults.update(keywords)
    elif name == "add_argument":
        names = [argument for argument in args if isinstance(argument, str)]
        options = [word for word in names if word.startswith("-")]
        long = [word for word in options if word.startswith("--")] or options
        given = keywords.get("dest")
        if isinstance(given, str) or long:
            dest = given if isinstance(given, str) else long[0].lstrip("-").replace("-", "_")
            parser.defaults[dest] = _default(keywords)
    elif name == "parse_args":
        return Record("arguments", dict(parser.defaults), settings=True)
    elif name == "parse_known_args":
        return (Record("arguments", dict(parser.defaults), settings=True), UNKNOWN)
    return UNKNOWN


def _default(keywords: Mapping[str, Value]) -> Value:
    if keywords.get("required", False) is not False:
        return UNKNOWN
    flags = {"store_true": False, "store_false": True, "count": None}
    action = keywords.get("action", "store")
    default = keywords.get("default", flags.get(action) if isinstance(action, str) else UNKNOWN)
    return UNKNOWN if isinstance(default, str) and "type" in keywords else default


def names_of(node: ast.AST) -> Iterator[ast.expr]:
    """The names and dotted names in an expression, each whole."""
    if isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node)):
        yield node
    elif isinstance(node, ast.Call):
        for part in [*node.args, *(keyword.value for keyword in node.keywords)]:
            yield from names_of(part)
    else:
        for child in ast.iter_child_nodes(node):
            yield from names_of(child)


def _is_dotted(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


_HANDLERS: dict[type[ast.expr], Callable[[Any, Any, Scope], Value]] = {
    ast.Constant: Expressions._constant,
    ast.Name: Expressions._name,
    ast.Attribute: Expressions._attribute_of,
    ast.Tuple: Expressions._row,
    ast.List: Expressions._row,
    ast.Dict: Expressions._dict,
    ast.BinOp: Expressions._binary,
    ast.UnaryOp: Expressions._unary,
    ast.BoolOp: Expressions._boolean,
    ast.Compare: Expressions._compare,
    ast.IfExp: Expressions._if,
    ast.NamedExpr: Expressions._walrus,
    ast.Subscript: Expressions._item,
    ast.Lambda: Expressions._lambda,
    ast.ListComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.Call: Expressions._call,
}
