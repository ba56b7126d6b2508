"""Literal values in source text: read them, and write them in the style that stood there."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable

Value = int | float | bool | str

_LARGEST = 2**63
_OPERATORS: dict[type[ast.operator], Callable[[int | float, int | float], int | float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}
_POWER = re.compile(r"(2\s*\*\*\s*|1\s*<<\s*)\d+")
_PRODUCT = re.compile(r"(\d[\d_]*)(\s*\*\s*(\d[\d_]*))")
_SCIENTIFIC = re.compile(r"-?[\d._]+[eE][+-]?\d+")


def evaluate(node: ast.expr) -> Value | None:
    """The value of a literal or of constant arithmetic such as 2**19; None for anything else."""
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool | str):
            return value
        return _finite(value) if isinstance(value, int | float) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        operand = evaluate(node.operand)
        if operand is None or isinstance(operand, bool | str):
            return None
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = evaluate(node.left), evaluate(node.right)
        if left is None or right is None or isinstance(left, bool | str):
            return None
        return None if isinstance(right, bool | str) else _arithmetic(node.op, left, right)
    return None


def _arithmetic(op: ast.operator, left: int | float, right: int | float) -> int | float | None:
    # A script may say 9**9**9: nothing is computed that could be huge.
    if isinstance(op, ast.Pow | ast.LShift) and (abs(right) > 128 or abs(left) > 1e9):
        return None
    try:
        return _finite(_OPERATORS[type(op)](left, right))
    except (ArithmeticError, TypeError, ValueError):
        return None


def _finite(value: object) -> int | float | None:
    if isinstance(value, int):
        return value if abs(value) < _LARGEST else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def same(left: Value | None, right: Value | None) -> bool:
    """Equal in value and in type: 1, 1.0 and True are three different values."""
    return type(left) is type(right) and left == right


def parses_to(text: str) -> Value | None:
    """The value of `text` as a literal; None when it is not one."""
    try:
        return evaluate(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        return None


def render(value: Value, like: str = "") -> str:
    """`value` as source text, in the style of the text `like` where that style can say it."""
    for text in _styled(value, like.strip()):
        if same(parses_to(text), value):
            return text
    return repr(value)


def _styled(value: Value, like: str) -> list[str]:
    if isinstance(value, bool):
        return []
    if isinstance(value, str):
        return [_quoted(value, like)]
    if isinstance(value, float):
        return [_scientific(value)] if _SCIENTIFIC.fullmatch(like) else [_plain(value)]
    return _styled_int(value, like)


def _quoted(value: str, like: str) -> str:
    body = repr(value)[1:-1]
    return f'"{body}"' if like.startswith('"') and '"' not in value else repr(value)


def _scientific(value: float) -> str:
    mantissa, _, exponent = f"{value!r}".partition("e")
    if not exponent:
        mantissa, _, exponent = f"{value:.16e}".partition("e")
        for digits in range(17):  # as few digits as say the same number
            short, _, exponent = f"{value:.{digits}e}".partition("e")
            if float(f"{short}e{exponent}") == value:
                mantissa = short
                break
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _plain(value: float) -> str:
    text = repr(value)
    if "e" in text and 1e-9 < abs(value) < 1e-4:
        text = f"{value:.20f}".rstrip("0")
    return text


def _styled_int(value: int, like: str) -> list[str]:
    texts = []
    power = _POWER.fullmatch(like)
    if power and value > 0 and value & (value - 1) == 0:
        texts.append(f"{power.group(1)}{value.bit_length() - 1}")
    product = _PRODUCT.fullmatch(like)
    if product:
        factor = int(product.group(3))
        if factor and value % factor == 0 and value:
            texts.append(f"{value // factor}{product.group(2)}")
    if like[:2].lower() == "0x":
        texts.append(f"{value:#x}")
    if "_" in like and not product:
        texts.append(f"{value:_}")
    return texts
