"""Asserts between a script's constants: which edits are sure to break one.

`assert TOTAL_BATCH_SIZE % tokens_per_step == 0` and `if WIDTH % HEADS: raise ...` are followed from
the constants, through the script's own arithmetic, functions and classes, as far as that is known
without running anything. What is not known breaks nothing: there, only a crash can tell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from target.classes import is_config_name, takes_fields
from target.execution import Execution
from target.expressions import EnoughRead, names_of
from target.known import UNKNOWN, Class, Function, Record, Scope, Value, merged, plain, truth
from target.source import parse

_MAIN = "__main__"
_SETTINGS = re.compile(r"(\w+_)?(config|cfg|conf|args|arguments|opts?|hparams|hp|params|settings)")
_SHOWN = 6  # values in a sentence


@dataclass(frozen=True)
class Constraint:
    """One assert, or one raise under an `if`, in a script or in a module that it imports.

    `holds` is None where that cannot be told without running the script. `values` are those of the
    names in it, as far as they are known.
    """

    line: int
    text: str
    holds: bool | None
    values: tuple[tuple[str, str], ...] = ()
    module: str = ""  # where it stands; "" is the script itself

    @property
    def broken(self) -> str:
        """The sentence for people about one that does not hold."""
        where = f"line {self.line}" if not self.module else f"{self.module}, line {self.line}"
        values = ", ".join(f"{name} is {value}" for name, value in self.values[:_SHOWN])
        fails = "fail" if self.text.startswith("assert") else "raise"
        return f"{where}: `{self.text}` would {fails}" + (f": {values}" if values else "")


def violated(
    source: str, modules: Mapping[str, str] | None = None, *, parent: str | None = None
) -> str | None:
    """Which constraint the script is sure to break, as one sentence; None where none is known.

    `modules` are the sources of what it imports, by module name. A constraint that its `parent`
    seems to break as well has been misread: the parent runs.
    """
    broken = [found for found in constraints(source, modules) if found.holds is False]
    if broken and parent is not None:
        before = constraints(parent, modules)
        misread = {(c.module, c.text) for c in before if c.holds is False}
        broken = [found for found in broken if (found.module, found.text) not in misread]
    return broken[0].broken if broken else None


def constraints(source: str, modules: Mapping[str, str] | None = None) -> tuple[Constraint, ...]:
    """Every constraint of the script and of the modules given, in order. Raises SourceError."""
    return _constraints(source, tuple(sorted((modules or {}).items())))


@lru_cache(maxsize=64)
def _constraints(source: str, modules: tuple[tuple[str, str], ...]) -> tuple[Constraint, ...]:
    reading = _Reading(dict(modules))
    try:
        reading.run(_MAIN, source)
        reading.read_the_rest()
    except (EnoughRead, RecursionError):
        pass  # what was found until there is sure
    return tuple(reading.found())


class _Reading(Execution):
    """Follows a script, and keeps what its asserts say."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        super().__init__(modules)
        self._said: dict[tuple[str, int, int], Constraint] = {}

    def judge(self, stmt: ast.stmt, test: ast.expr, expected: bool, scope: Scope) -> None:
        """Evaluate the test; one that fails once does not hold."""
        self.divided_by_zero = False
        known = truth(self.value(test, scope))
        holds = None if self.doubt or known is None else known is expected
        if self.divided_by_zero:
            holds = False
        name = scope.module.name
        key = (name, stmt.lineno, stmt.col_offset)
        before = self._said.get(key)
        if before is not None and (before.holds is False or holds is None):
            return
        text = self._text(name, test)
        text = f"assert {text}" if expected else f"if {text}: raise"
        values = tuple(self._values(test, scope)) if holds is not None else ()
        module = "" if name == _MAIN else name
        self._said[key] = Constraint(stmt.lineno, text, holds, values, module)

    def _text(self, module: str, test: ast.expr) -> str:
        """The test as it is written, in one line."""
        return " ".join(parse(self.sources[module]).slice(test).split())

    def _values(self, test: ast.expr, scope: Scope) -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for node in names_of(test):
            name, value = ast.unparse(node), self.value(node, scope)
            if name not in seen and value is not None and plain(value):
                seen.add(name)
                yield name, repr(value)

    def read_the_rest(self) -> None:
        """Follow what the script was not seen to call, with the settings that it was seen to make.

        A `config: GPTConfig` is the GPTConfig of the script, if there is one, or if all agree.
        """
        self.doubt = 0
        functions: list[Function] = []
        for module in list(self.modules.values()):
            for value in module.names.values():
                if isinstance(value, Function):
                    functions.append(value)
                elif isinstance(value, Class):
                    functions += self._methods(value)
        for function in functions:
            node = function.node
            if isinstance(node, ast.FunctionDef) and node not in self.reached and _asserts(node):
                self.doubt = 0
                scope = Scope(function.scope.module, self._guessed(function), function.scope)
                self.block(node.body, scope)

    def _methods(self, cls: Class) -> Iterator[Function]:
        """The methods, bound to an object that was made of the settings alone."""
        methods = [value for value in cls.names.values() if isinstance(value, Function)]
        if not any(isinstance(m.node, ast.FunctionDef) and _asserts(m.node) for m in methods):
            return
        made = Record(cls.node.name, {}, cls)
        start = cls.names.get("__init__")
        if isinstance(start, Function) and isinstance(start.node, ast.FunctionDef):
            bound = Function(start.node, start.scope, made)
            scope = Scope(start.scope.module, self._guessed(bound), start.scope)
            self.doubt = int(start.node in self.reached)  # then its asserts have been judged
            self.block(start.node.body, scope)
            self.reached.add(start.node)
        for method in methods:
            yield Function(method.node, method.scope, made)

    def _guessed(self, function: Function) -> dict[str, Value]:
        """The arguments of a function that nobody is seen to call: settings, or unknown."""
        signature = function.node.args
        positional = [*signature.posonlyargs, *signature.args]
        found: dict[str, Value] = {}
        for argument in (*positional, *signature.kwonlyargs, signature.vararg, signature.kwarg):
            if argument is not None:
                found[argument.arg] = self._settings(argument, function.scope)
        if function.bound is not UNKNOWN and positional:
            found[positional[0].arg] = function.bound
        return found

    def _settings(self, argument: ast.arg, scope: Scope) -> Value:
        kinds: dict[str, list[Record]] = {}
        for record in self.records:
            kinds.setdefault(record.kind, []).append(record)
        annotation = argument.annotation
        if annotation is not None:
            cls = self.value(annotation, scope)
            if isinstance(cls, Class):
                return self._of_class(cls, kinds)
        if not _SETTINGS.fullmatch(argument.arg):
            return UNKNOWN
        if len(kinds) == 1:
            return merged(next(iter(kinds.values())))
        return UNKNOWN

    def _of_class(self, cls: Class, kinds: Mapping[str, list[Record]]) -> Value:
        name = cls.node.name
        if name in kinds:
            return merged(kinds[name])
        if not takes_fields(cls.node) and not is_config_name(name):
            return UNKNOWN
        called = any(_calls(tree, name) for tree in self.trees.values())
        return UNKNOWN if called else Record(name, dict(cls.names), cls)

    def found(self) -> list[Constraint]:
        """What was found, the script's own first; with those that nothing was found out about."""
        for name in self.modules:
            for node in parse(self.sources[name]).nodes:
                key = (name, getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
                if isinstance(node, ast.Assert) and key not in self._said:
                    text = f"assert {self._text(name, node.test)}"
                    module = "" if name == _MAIN else name
                    self._said[key] = Constraint(node.lineno, text, None, (), module)
        return sorted(self._said.values(), key=lambda c: (c.module, c.line))


@lru_cache(maxsize=1024)
def _asserts(node: ast.FunctionDef) -> bool:
    return any(isinstance(part, ast.Assert | ast.Raise) for part in ast.walk(node))


def _calls(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == name
        for node in ast.walk(tree)
    )
