"""What a script prints, as far as its text tells: lines of literal text and values.

Understood are `print` and functions called like it, loggers, and `sys.stdout.write`; with
f-strings, `%`, `str.format` or several arguments. Nothing is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from target.source import syntax_tree

_PERCENT = re.compile(r"%(?:\((?P<name>\w+)\))?(?P<spec>[-+ #0-9.*]*[a-zA-Z])")
_BRACES = re.compile(r"\{(?P<name>[^{}:!]*)(?:![rsa])?(?::(?P<spec>[^{}]*))?\}")
_LOGGED = frozenset({"info", "warning", "critical", "error", "debug"})
_STREAMS = frozenset({"stdout", "stderr", "tqdm"})


@dataclass(frozen=True)
class Value:
    """A value in a printed line: the name of what it shows, if that is clear, and its format."""

    name: str = ""
    spec: str = ""


Part: TypeAlias = str | Value


@dataclass(frozen=True)
class Line:
    """One printed line. `repeated` ones are in a loop; `bare` ones begin where the line does."""

    parts: tuple[Part, ...]
    number: int
    repeated: bool
    bare: bool


def printed_lines(text: str) -> list[Line]:
    """The lines that a script prints, in the order of its text.

    Raises SourceError when it does not parse.
    """
    found = [
        line for call, repeated in _calls(syntax_tree(text)) for line in _lines(call, repeated)
    ]
    return sorted(found, key=lambda line: line.number)


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, bool]]:
    """Every call, and whether it is in a loop of its own function."""
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, repeated = pending.pop()
        if isinstance(node, ast.Call):
            yield node, repeated
        if isinstance(node, ast.For | ast.While | ast.AsyncFor):
            repeated = True
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            repeated = False
        pending.extend((child, repeated) for child in ast.iter_child_nodes(node))


def _lines(call: ast.Call, repeated: bool) -> Iterator[Line]:
    kind = _kind(call)
    if kind is None or not call.args:
        return
    if kind == "print":
        parts = [
            part for n, arg in enumerate(call.args) for part in ([" "] * (n > 0) + _parts(arg))
        ]
    elif len(call.args) > 1 and isinstance(call.args[0], ast.Constant):
        parts = _percent(call.args[0].value, call.args[1:])
    else:
        parts = _parts(call.args[0])
    for line in _split(parts):
        if any(isinstance(part, Value) for part in line):
            yield Line(tuple(line), call.lineno, repeated, bare=kind == "print")


def _kind(call: ast.Call) -> str | None:
    function = call.func
    if isinstance(function, ast.Name):
        if "print" not in function.id.lower() and function.id not in ("log", "echo"):
            return None
        elsewhere = [k.value for k in call.keywords if k.arg == "file"]
        if elsewhere and _name(elsewhere[0]) not in _STREAMS:
            return None  # it goes into a file
        return "print"
    if isinstance(function, ast.Attribute):
        if function.attr == "write" and _name(function.value) in _STREAMS:
            return "print"
        if function.attr in _LOGGED:
            return "log"
        if function.attr == "print":  # accelerator.print, console.print
            return "print"
    return None


def _parts(node: ast.expr) -> list[Part]:
    """What an argument of print shows."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Constant(value=value):
            return [str(value)]
        case ast.JoinedStr(values=values):
            return [part for value in values for part in _parts(value)]
        case ast.FormattedValue(value=value, format_spec=spec):
            return [Value(_name(value), _constant_text(spec))]
        case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str(text)), right=right):
            return _percent(text, right.elts if isinstance(right, ast.Tuple) else [right])
        case ast.BinOp(op=ast.Add(), left=left, right=right) if _is_text(left) or _is_text(right):
            return _parts(left) + _parts(right)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return _format(text, node)
        case ast.Call(func=ast.Name(id="str"), args=[shown]):
            return [Value(_name(shown))]
    return [Value(_name(node))]


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _percent(text: object, values: list[ast.expr]) -> list[Part]:
    """The parts of `text % values`."""
    parts: list[Part] = []
    at, names = 0, iter(values)
    text = str(text)
    for match in _PERCENT.finditer(text.replace("%%", "\0\0")):
        parts += [text[at : match.start()].replace("%%", "%")]
        following = next(names, None)
        name = match["name"] or ("" if following is None else _name(following))
        parts.append(Value(name, match["spec"]))
        at = match.end()
    return [*parts, text[at:].replace("%%", "%")]


def _format(text: str, call: ast.Call) -> list[Part]:
    """The parts of `text.format(...)`."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    parts: list[Part] = []
    at, position = 0, 0
    for match in _BRACES.finditer(text):
        parts.append(text[at : match.start()])
        key = match["name"] or str(position)
        position += not match["name"]
        if key.isdigit():
            shown = call.args[int(key)] if int(key) < len(call.args) else None
        else:
            shown = named.get(key)
        name = _name(shown) if shown is not None else ""
        parts.append(Value(name or ("" if key.isdigit() else key), match["spec"] or ""))
        at = match.end()
    return [*parts, text[at:]]


def _split(parts: list[Part]) -> Iterator[list[Part]]:
    """The parts of each line; a carriage return ends one, too."""
    line: list[Part] = []
    for part in parts:
        if isinstance(part, Value):
            line.append(part)
            continue
        first, *rest = re.split(r"[\r\n]", part)
        line.append(first)
        for text in rest:
            yield line
            line = [text]
    yield line


def _constant_text(node: ast.expr | None) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_constant_text(value) for value in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ""


def _name(node: ast.expr) -> str:
    """The name of what an expression shows; empty where there is none, or more than one."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case ast.Subscript(value=value):
            return _name(value)
        case ast.Call(func=ast.Attribute(value=value, attr="item" | "mean" | "tolist" | "detach")):
            return _name(value)
        case (
            ast.Call(func=ast.Name(), args=[first, *_])
            | ast.Call(func=ast.Attribute(attr="mean"), args=[first, *_])
        ):
            return _name(first)
        case ast.BinOp(left=left, right=right):
            names = [name for name in (_name(left), _name(right)) if name]
            return names[0] if len(names) == 1 else ""
    return ""
