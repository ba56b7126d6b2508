"""What only changes a script's luck: seeds, in all the ways in which scripts write them."""

from __future__ import annotations

import ast
import re

from target.literal import evaluate

_SEED_WORD = re.compile(r"(^|_)(SEEDS?\d*|RANDOM_STATE)($|_)")
_SEEDERS = re.compile(r"(initial_|random_|set_|manual_)?seeds?(_all|_everything)?")
_GENERATORS = re.compile(r"default_rng|RandomState|SeedSequence|PCG64|Random|PRNGKey")


def is_seed(name: str) -> bool:
    """Whether a name says that it is a random seed: `RANDOM_SEED`, `--seed`, `rng-seed`."""
    return _SEED_WORD.search(name.upper().replace("-", "_")) is not None


def blank(node: ast.AST) -> None:
    """Take the seeds out of one node: it then looks the same whatever they are."""
    match node:
        case ast.Assign(targets=targets):
            if all(map(names_seed, targets)):
                node.value = ast.Constant(0)
        case ast.AnnAssign(target=target, value=ast.expr()):
            if names_seed(target):
                node.value = ast.Constant(0)
        case ast.keyword(arg=str(name)) if is_seed(name):
            node.value = ast.Constant(0)
        case ast.Dict(keys=keys):
            named = [isinstance(key, ast.expr) and says_seed(key) for key in keys]
            pairs = zip(named, node.values, strict=True)
            node.values = [ast.Constant(0) if seed else value for seed, value in pairs]
        case ast.arguments():
            _blank_defaults(node)
        case ast.Call():
            _blank_call(node)


def only_seeds(stmt: ast.stmt) -> bool:
    """A statement that seeds something, like `torch.manual_seed(3)`: adding one is luck too."""
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call) and seeds(stmt.value)


def _blank_call(call: ast.Call) -> None:
    if seeds(call):
        call.args = []
    elif any(map(says_seed, call.args)):  # add_argument("--seed", type=int, default=1)
        for keyword in call.keywords:
            if keyword.arg == "default":
                keyword.value = ast.Constant(0)


def _blank_defaults(signature: ast.arguments) -> None:
    positional = [*signature.posonlyargs, *signature.args]
    named = positional[len(positional) - len(signature.defaults) :]
    pairs = zip(named, signature.defaults, strict=True)
    signature.defaults = [ast.Constant(0) if is_seed(a.arg) else value for a, value in pairs]
    only = zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
    signature.kw_defaults = [
        ast.Constant(0) if value is not None and is_seed(argument.arg) else value
        for argument, value in only
    ]


def names_seed(target: ast.expr) -> bool:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return is_seed(name)
        case ast.Subscript(slice=key):
            return says_seed(key)
    return False


def says_seed(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value) < 40
        and is_seed(node.value)
    )


def seeds(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if _GENERATORS.fullmatch(name):
        return len(call.args) == 1 and isinstance(evaluate(call.args[0]), int | None)
    return _SEEDERS.fullmatch(name) is not None
