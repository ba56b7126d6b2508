"""Refuses what a training script has no use for, before anything of it runs.

It saves the time of a doomed trial, and tells people and policies why in one sentence with the
line. It is *not* the wall: whoever wants to climb over a reading of source text will. What a
candidate can reach is decided by the sandbox, and what it scores by the scorer (docs/redteam.md).

What stands under a top-level `if __name__ == "__main__":` does not run in a trial, where the
script has another name; it is for the person who runs the script alone, and may use whatever that
person likes. An edit may add nothing there either: the person will run the best one at home.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import lru_cache

from target import allowed, dotted, scopes
from target.source import parse

Scopes = tuple[frozenset[str], ...]
_GUARD = {
    ast.dump(ast.parse(text).body[0].test)  # type: ignore[attr-defined]
    for text in ('if __name__ == "__main__": 0', 'if "__main__" == __name__: 0')
}


@dataclass(frozen=True)
class Refusal:
    """One thing that a script does and should not."""

    line: int
    what: str
    why: str

    def __str__(self) -> str:
        """The sentence for people."""
        return f"line {self.line}: {self.what}: {self.why}"


def check(source: str, parent: str | None = None) -> str | None:
    """Why a sealed script is refused, as one sentence; None when it may run.

    What its `parent` does already is no reason: a person has let that in.
    """
    if parent is None:
        return next((str(found) for found in refusals(source)), None)
    known = {found.what for found in refusals(parent, guarded=True)}
    new = (found for found in refusals(source, guarded=True) if found.what not in known)
    return next((str(found) for found in new), None)


@lru_cache(maxsize=64)
def refusals(source: str, guarded: bool = False) -> tuple[Refusal, ...]:
    """All refusals by line; `guarded`: also of what runs only when a person runs the script."""
    found = _Reader(parse(source).tree, guarded).read()
    return tuple(sorted(found, key=lambda refusal: refusal.line))


class _Reader:
    """One reading of a tree. It keeps its own stack: a long sum is a deep tree."""

    def __init__(self, tree: ast.Module, guarded: bool) -> None:
        self._found: list[Refusal] = []
        self._line = 1
        self._body = [part for statement in tree.body for part in _parts(statement, guarded)]
        nodes = [node for part in self._body for node in scopes.every(part)]
        self._module_names = scopes.module_names(tree, nodes)
        self._run = _name_of_run(tree)
        self._imports: dict[str, set[str]] = {}  # what a name may stand for
        self._modules: set[str] = set()  # names that stand for modules
        for node in nodes:
            self._note_import(node)

    def read(self) -> list[Refusal]:
        pending: list[tuple[ast.AST, Scopes, bool]] = [(part, (), False) for part in self._body]
        while pending:
            node, around, in_class = pending.pop()
            self._line = getattr(node, "lineno", self._line)
            self._bindings(node, in_class)
            pending += reversed([*self._visit(node, around)])
        return self._found

    def _refuse(self, what: str, why: str) -> None:
        self._found.append(Refusal(self._line, what, why))

    # -- node by node ------------------------------------------------------------------------

    def _visit(self, node: ast.AST, around: Scopes) -> Iterator[tuple[ast.AST, Scopes, bool]]:
        """Judge a node; yield what is to be judged below it."""
        below: list[ast.AST] = []
        if isinstance(node, ast.Name):
            self._name(node, around)
        elif isinstance(node, ast.Attribute):
            below = self._attributes(node, around)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node)
        elif isinstance(node, ast.Call) and self._calls(allowed.REFLECTION, node, around):
            below = self._reflection(node, around)
        elif isinstance(node, ast.Call) and self._calls({"hasattr"}, node, around):
            below = [part for part in node.args if not isinstance(part, ast.Name)]
        elif isinstance(node, ast.Compare) and _asks_for_none(node):
            pass  # `if triton is not None`: whether an optional import has worked
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = (*around, scopes.function_names(node))
            body = node.body if isinstance(node.body, list) else [node.body]
            yield from ((part, inner, False) for part in body)
            below = [node.args]  # defaults, annotations and decorators are evaluated outside
            if not isinstance(node, ast.Lambda):
                below += [*node.decorator_list, *([node.returns] if node.returns else [])]
        elif isinstance(node, scopes.Comprehension):
            inner = (*around, scopes.comprehension_names(node))
            first = node.generators[0]
            below = [first.iter]  # evaluated outside
            rest = [first.target, *first.ifs, *node.generators[1:]]
            rest += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            yield from ((part, inner, False) for part in rest)
        else:
            below = scopes.children(node)
        yield from ((part, around, isinstance(node, ast.ClassDef)) for part in below)

    def _bindings(self, node: ast.AST, in_class: bool) -> None:
        for name in scopes.bound_by(node):
            if not dotted.is_dunder(name):
                continue
            if isinstance(node, ast.FunctionDef) and in_class and name in allowed.HOOKS:
                self._refuse(f"defines {name}", allowed.HOOKS[name])
            elif not in_class and name not in allowed.MODULE_DUNDERS:
                self._refuse(f"sets {name}", "it is Python's own")

    def _name(self, node: ast.Name, around: Scopes) -> None:
        name = node.id
        if not isinstance(node.ctx, ast.Load):
            return
        if self._is_builtin(name, around):
            if name in allowed.BUILTINS:
                self._refuse(f"uses {name}", allowed.BUILTINS[name])
            elif name in allowed.REFLECTION:
                self._refuse(f"passes {name} on", "it must be called with a name that can be read")
        elif name in self._modules and self._paths(name, around):
            self._refuse(f"passes the module {name} on", "what is used of it must be written out")

    def _attributes(self, node: ast.Attribute, around: Scopes) -> list[ast.AST]:
        """Judge a chain such as `torch.backends.cuda.matmul`; return the expression it hangs on."""
        chain: list[ast.Attribute] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            chain.append(base)
            base = base.value
        for link in chain:
            self._attribute(link.attr, link.value, stored=not isinstance(link.ctx, ast.Load))
        if not isinstance(base, ast.Name) or not (paths := self._paths(base.id, around)):
            return [base]
        names = [link.attr for link in reversed(chain)]
        for path in paths:
            self._dotted(".".join([path, *names]), stored=not isinstance(node.ctx, ast.Load))
        return []

    def _attribute(self, name: str, value: ast.expr, *, stored: bool) -> None:
        owner = value.id if isinstance(value, ast.Name) else ""
        if name in allowed.ATTRIBUTES:
            self._refuse(f"uses .{name}", allowed.ATTRIBUTES[name])
        elif dotted.is_dunder(name) and (
            name not in allowed.DUNDERS or (stored and name == "__class__")
        ):
            self._refuse(f"uses .{name}", "it leads into the interpreter's insides")
        elif (name in allowed.RUN_PRIVATE and owner not in ("self", "cls")) or (
            name.startswith("_") and owner == self._run
        ):
            self._refuse(f"uses .{name}", "of `run`, a candidate has the public names alone")

    def _calls(self, builtins: Set[str], call: ast.Call, around: Scopes) -> bool:
        function = call.func
        return (
            isinstance(function, ast.Name)
            and function.id in builtins
            and self._is_builtin(function.id, around)
        )

    def _reflection(self, call: ast.Call, around: Scopes) -> list[ast.AST]:
        """Judge getattr(x, "name") like x.name; return what else is to be judged."""
        assert isinstance(call.func, ast.Name)
        below: list[ast.AST] = [*call.args, *call.keywords]
        if len(call.args) < 2 or any(isinstance(part, ast.Starred) for part in call.args):
            self._refuse(f"uses {call.func.id} with hidden arguments", "they cannot be read here")
            return below
        thing, name = call.args[:2]
        stored = call.func.id != "getattr"
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            chain = ast.Attribute(thing, name.value, ast.Store() if stored else ast.Load())
            return [*self._attributes(chain, around), *below[1:]]
        if not _is_numbered(name) and not (stored and isinstance(thing, ast.Name)):
            self._refuse(f"uses {call.func.id} with a computed name", "it cannot be read here")
        return below

    # -- names of modules --------------------------------------------------------------------

    def _note_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                path = alias.name if alias.asname else local
                self._imports.setdefault(local, set()).add(path)
                self._modules.add(local)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                local = alias.asname or alias.name
                path = f"{node.module}.{alias.name}"
                self._imports.setdefault(local, set()).add(path)
                if path in allowed.PARTLY or path in allowed.PACKAGES:
                    self._modules.add(local)

    def _paths(self, name: str, around: Scopes) -> set[str]:
        """What an imported name stands for here; nothing when it is a variable."""
        hidden = any(name in scope for scope in around)
        return set() if hidden else self._imports.get(name, set())

    def _is_builtin(self, name: str, around: Scopes) -> bool:
        if any(name in scope for scope in around) or name in self._imports:
            return False
        return not self._module_names.get(name, self._line) < self._line

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            local = alias.asname or alias.name
            if local in allowed.BUILTINS or local in allowed.REFLECTION:
                self._refuse(f"imports {alias.name} as {local}", "it hides the builtin")
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._module(alias.name)
        elif node.level or node.module is None:
            self._refuse("imports from its own folder", "a candidate is one file")
        elif self._module(node.module):
            for alias in node.names:
                if alias.name == "*":
                    self._refuse(f"imports all of {node.module}", "the names must be written out")
                else:
                    self._dotted(f"{node.module}.{alias.name}", stored=False)

    def _module(self, path: str) -> bool:
        root = path.partition(".")[0]
        if root in allowed.FREE:
            opens = any(used.startswith(f"{path}.") for used in allowed.PRIVATE_USED)
            return opens or self._dotted(path, stored=False)
        if path in allowed.PARTLY:
            return True
        why = allowed.WHY.get(root, "training does not need it")
        self._refuse(f"imports {path}", f"{why}; allowed are {allowed.SUGGESTED}, ...")
        return False

    def _dotted(self, path: str, *, stored: bool) -> bool:
        """Judge something of a module by its full name; False when it is refused."""
        reason = dotted.reason_against(path, stored=stored)
        if reason is not None:
            self._refuse(*reason)
        return reason is None


def _parts(statement: ast.stmt, guarded: bool) -> list[ast.stmt]:
    """What of a top-level statement is judged."""
    if guarded or not isinstance(statement, ast.If) or ast.dump(statement.test) not in _GUARD:
        return [statement]
    return statement.orelse


def _name_of_run(tree: ast.Module) -> str:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "train" and len(node.args.args) > 1:
            return node.args.args[1].arg
    return "run"


def _asks_for_none(node: ast.Compare) -> bool:
    right = node.comparators[0]
    return (
        isinstance(node.left, ast.Name)
        and isinstance(node.ops[0], ast.Is | ast.IsNot)
        and isinstance(right, ast.Constant)
        and right.value is None
        and len(node.ops) == 1
    )


def _is_numbered(name: ast.expr) -> bool:
    """f"layer{i}", "layer" + str(i): what it begins with shows that it is no dunder name."""
    first: ast.AST | None = name
    if isinstance(first, ast.JoinedStr):
        first = first.values[0] if first.values else None
    elif isinstance(first, ast.BinOp) and isinstance(first.op, ast.Add):
        first = first.left
    text = first.value if isinstance(first, ast.Constant) else None
    return isinstance(text, str) and len(text) > 1 and text[0].isalpha()
