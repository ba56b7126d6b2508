"""Defaults of command-line arguments: `add_argument("--lr", default=3e-4)` has the site `--lr`."""

from __future__ import annotations

import ast

from target import comparability
from target.bindings import stored_attributes
from target.hints import at
from target.literal import Value, evaluate
from target.sites import Found
from target.source import Script
from target.value_sites import Named, is_short, reads_attribute, sites

_ADDS = ("add_argument", "option")  # argparse's, and click's


def find(script: Script) -> list[Found]:
    """The defaults of optional arguments, but for flags and for what is left alone by its name."""
    found: list[Found] = []
    for node in script.nodes:
        if isinstance(node, ast.Call) and _last(node.func) in _ADDS:
            found += _argument(script, node)
    return found


def _argument(script: Script, call: ast.Call) -> list[Found]:
    option = option_of(call)
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    default = given.get("default")
    if option is None or default is None or not is_short(default) or not _is_value(given):
        return []
    hints = at(script, call.lineno, call.end_lineno or call.lineno)
    name = destination(option, given.get("dest"))
    left_alone = not hints.asks and comparability.reason_against(script, name) is not None
    if hints.frozen or left_alone or name in stored_attributes(script):
        return []
    kind = given.get("type")
    named = Named(
        id=option,
        name=option,
        hints=hints,
        is_read=reads_attribute(name),
        choices=_choices(given.get("choices")),
        whole=not (isinstance(kind, ast.Name) and kind.id == "float"),
    )
    return sites(script, named, default)


def option_of(call: ast.Call) -> str | None:
    """The long name of an optional argument, else its short one; None for a positional one."""
    names = [evaluate(argument) for argument in call.args]
    options = [name for name in names if isinstance(name, str) and name.startswith("-")]
    long = next((name for name in options if name.startswith("--")), None)
    return long or next(iter(options), None)


def destination(option: str, dest: ast.expr | None = None) -> str:
    """The attribute that holds the argument's value."""
    named = None if dest is None else evaluate(dest)
    return named if isinstance(named, str) else option.lstrip("-").replace("-", "_")


def _is_value(given: dict[str | None, ast.expr]) -> bool:
    """Whether the default is what the script gets when nobody says otherwise."""
    action = given.get("action")
    flags = (given.get("required"), given.get("is_flag"))
    if any(flag is not None and evaluate(flag) is not False for flag in flags):
        return False
    return action is None or ast.unparse(action).endswith("BooleanOptionalAction")


def _choices(node: ast.expr | None) -> tuple[Value, ...]:
    if not isinstance(node, ast.Tuple | ast.List):
        return ()
    values = tuple(evaluate(item) for item in node.elts)
    return tuple(value for value in values if value is not None)


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
