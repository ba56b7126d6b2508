"""What only changes a script's luck: seeds, in all the ways in which scripts write them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from target.literal import evaluate

_SEED_WORD = re.compile(r"(^|_)(SEEDS?\d*|RANDOM_STATE)($|_)")
_SEEDERS = re.compile(r"(initial_|random_|set_|manual_)?seeds?(_all|_everything)?")
_GENERATORS = re.compile(r"default_rng|RandomState|SeedSequence|PCG64|Random|PRNGKey")


def is_seed(name: str) -> bool:
    """Whether a name says that it is a random seed: `RANDOM_SEED`, `--seed`, `rng-seed`."""
    return _SEED_WORD.search(name.upper().replace("-", "_")) is not None


def held(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that are seeds, by where they stand in the node."""
    match node:
        case ast.Assign(targets=targets, value=value) if all(map(_names_seed, targets)):
            yield value
        case ast.AnnAssign(target=target, value=ast.expr() as value) if _names_seed(target):
            yield value
        case ast.keyword(arg=str(name), value=value) if is_seed(name):
            yield value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is not None and _says_seed(key):
                    yield value
        case ast.arguments():
            yield from _defaults(node)
        case ast.Call(args=args, keywords=keywords):
            if _seeds(node):
                yield from args[:1]
            elif any(map(_says_seed, args)):  # add_argument("--seed", type=int, default=1)
                yield from (k.value for k in keywords if k.arg == "default")


def blank(node: ast.AST) -> None:
    """Take the seeds out of one node: it then looks the same whatever they are."""
    if isinstance(node, ast.Call) and _seeds(node):
        node.args = []
    elif seeds := {id(expression) for expression in held(node)}:
        _Blanked(seeds).generic_visit(node)


def only_seeds(stmt: ast.stmt) -> bool:
    """A statement that seeds something, like `torch.manual_seed(3)`: adding one is luck too."""
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call) and _seeds(stmt.value)


class _Blanked(ast.NodeTransformer):
    """Puts 0 in the place of some expressions, by their ids."""

    def __init__(self, seeds: set[int]) -> None:
        self._seeds = seeds

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace one node, or go on below it."""
        return ast.Constant(0) if id(node) in self._seeds else self.generic_visit(node)


def _defaults(signature: ast.arguments) -> Iterator[ast.expr]:
    positional = [*signature.posonlyargs, *signature.args]
    named = positional[len(positional) - len(signature.defaults) :]
    for argument, value in zip(named, signature.defaults, strict=True):
        if is_seed(argument.arg):
            yield value
    for argument, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True):
        if default is not None and is_seed(argument.arg):
            yield default


def _names_seed(target: ast.expr) -> bool:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return is_seed(name)
        case ast.Subscript(slice=key):
            return _says_seed(key)
    return False


def _says_seed(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value) < 40
        and is_seed(node.value)
    )


def _seeds(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if _GENERATORS.fullmatch(name):
        return len(call.args) == 1 and isinstance(evaluate(call.args[0]), int | None)
    return _SEEDERS.fullmatch(name) is not None
