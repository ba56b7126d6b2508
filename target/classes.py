"""The classes of a script, and what its calls and imports are called in full."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from target.names import imports
from target.source import Script

_CONFIG = re.compile(
    r"\w*(Config|Configs|Cfg|CFG|Args|Arguments|Settings|Params|Hyperparameters|HParams|Hparams"
    r"|Hypers|Options|Opts)|config|cfg"
)
_DATACLASS = re.compile(r"(\w+\.)*(dataclass|define|attrs|s|frozen|chz)")
_FIELD_BASES = re.compile(r"(\w+\.)*(BaseModel|BaseSettings|NamedTuple|Struct|\w*Config)")


@lru_cache(maxsize=64)
def classes(script: Script) -> dict[str, ast.ClassDef]:
    """The script's classes by name; of two with one name, the last."""
    return {node.name: node for node in script.nodes if isinstance(node, ast.ClassDef)}


def path_of(script: Script, func: ast.expr) -> str:
    """The dotted name of what is called, with imports written out: `torch.optim.AdamW`.

    Empty where it is no plain name.
    """
    names: list[str] = []
    while isinstance(func, ast.Attribute):
        names.append(func.attr)
        func = func.value
    if not isinstance(func, ast.Name):
        return ""
    return ".".join([imports(script).get(func.id, func.id), *reversed(names)])


def inherits(script: Script, name: str, pattern: re.Pattern[str]) -> bool:
    """Whether a class of the script has a base, near or far, whose name fits the pattern."""
    known = classes(script)
    pending, seen = [name], set()
    while pending:
        at = pending.pop()
        if at in seen or at not in known:
            continue
        seen.add(at)
        bases = [path_of(script, base) for base in known[at].bases]
        if any(pattern.fullmatch(base.rpartition(".")[2]) for base in bases):
            return True
        pending += bases
    return False


def takes_fields(node: ast.ClassDef) -> bool:
    """Whether the class's constructor takes its annotated fields: a dataclass and its like."""
    for decorator in node.decorator_list:
        func = decorator.func if isinstance(decorator, ast.Call) else decorator
        if _DATACLASS.fullmatch(ast.unparse(func)):
            return True
    return any(_FIELD_BASES.fullmatch(ast.unparse(base)) for base in node.bases)


def is_config_name(name: str) -> bool:
    """Whether a class of that name holds settings."""
    return _CONFIG.fullmatch(name) is not None


def fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr, ast.stmt]]:
    """The names and defaults of a class's fields; `field(default=1)` has its default looked up."""
    for stmt in node.body:
        match stmt:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case _:
                continue
        default = default_of(value)
        if default is not None:
            yield name, default, stmt


def annotated(node: ast.ClassDef) -> list[str]:
    """The names of the annotated fields, in order: what the constructor takes by position."""
    return [
        stmt.target.id
        for stmt in node.body
        if isinstance(stmt, ast.AnnAssign) and isinstance(stmt.target, ast.Name)
    ]


def default_of(value: ast.expr) -> ast.expr | None:
    """The default that a field is given: the value, or what `field(default=...)` says."""
    if not isinstance(value, ast.Call):
        return value
    if not re.fullmatch(r"(\w+\.)*(field|Field|ib)", ast.unparse(value.func)):
        return None
    given = {keyword.arg: keyword.value for keyword in value.keywords}
    factory = given.get("default_factory")
    if isinstance(factory, ast.Lambda):
        return factory.body
    first = value.args[0] if value.args else None
    return given.get("default", first)
