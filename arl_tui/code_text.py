"""Untrusted text as lines of coloured, printable pieces: what the code views draw.

Text is cut at \\n alone, as in `target.diff`, so that line numbers agree with its diffs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from pygments.lexers.python import PythonLexer
from pygments.token import Token as Pygments
from rich.cells import cell_len

from arl_tui.output import printable

Token: TypeAlias = Literal["text", "keyword", "name", "string", "number", "comment"]
LineKind: TypeAlias = Literal["context", "added", "removed", "hunk", "note"]

TAB = 4
CUT = 2000  # characters of a line that are shown
_COLOURED = 200_000  # characters of a text that are lexed: about half a second

# The most special first; whatever is missing is plain text.
_TOKENS: tuple[tuple[object, Token], ...] = (
    (Pygments.Comment, "comment"),
    (Pygments.Literal.String, "string"),
    (Pygments.Literal.Number, "number"),
    (Pygments.Keyword, "keyword"),
    (Pygments.Operator.Word, "keyword"),
    (Pygments.Name.Function, "name"),
    (Pygments.Name.Class, "name"),
    (Pygments.Name.Decorator, "name"),
    (Pygments.Name.Builtin, "name"),
)


class Piece(NamedTuple):
    """A stretch of a line in one style; `marked` when it is what changed within the line."""

    text: str
    token: Token = "text"
    marked: bool = False


class Line(NamedTuple):
    """A line of a code view: its raw text, its numbers on both sides, and what is shown of it."""

    kind: LineKind
    text: str
    pieces: tuple[Piece, ...]
    old: int | None = None
    new: int | None = None

    @property
    def cells(self) -> int:
        """How many columns the pieces need."""
        return sum(cell_len(piece.text) for piece in self.pieces)


def split_lines(text: str) -> list[str]:
    """The lines of a text without their ends; a text that ends with a line end has no more."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def source_lines(text: str, *, coloured: bool = True) -> list[Line]:
    """A Python source with line numbers and colours."""
    lines = split_lines(text)
    shown = colour(lines) if coloured else [[Piece(line)] for line in lines]
    return [
        Line("context", line, show(pieces), None, number)
        for number, (line, pieces) in enumerate(zip(lines, shown, strict=True), 1)
    ]


def plain_lines(text: str) -> list[Line]:
    """Text of any kind, such as a log, without numbers or colours."""
    return [Line("context", line, show([Piece(line)])) for line in split_lines(text)]


def colour(lines: Sequence[str]) -> list[list[Piece]]:
    """The pieces of lines that are Python source, lexed as one text; raw, not yet printable."""
    if sum(map(len, lines)) > _COLOURED or max(map(len, lines), default=0) > CUT:
        return [[Piece(line)] for line in lines]
    if not lines:
        return []
    coloured: list[list[Piece]] = [[]]
    # Not get_tokens(), which changes line ends.
    for _, kind, value in _lexer().get_tokens_unprocessed("\n".join(lines)):
        token = _token(kind)
        for number, part in enumerate(value.split("\n")):
            if number:
                coloured.append([])
            line = coloured[-1]
            if part and line and line[-1].token == token:
                line[-1] = Piece(line[-1].text + part, token)
            elif part:
                line.append(Piece(part, token))
    return coloured


def show(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Pieces as they are shown: control characters and tabs visible, very long lines cut."""
    shown, column, left = [], 0, CUT
    for text, token, marked in pieces:
        visible = _visible(text[:left], column)
        left -= len(text)
        if visible:
            shown.append(Piece(visible, token, marked))
            column += cell_len(visible)
        if left < 0:
            more = sum(len(piece.text) for piece in pieces) - CUT
            shown.append(Piece(f"… {more:,} more characters", "comment"))
            break
    return tuple(shown)


def _visible(text: str, column: int) -> str:
    if text.isprintable():
        return text
    if "\t" not in text:
        return printable(text)
    first, *rest = text.split("\t")
    visible = printable(first)
    for part in rest:
        at = column + cell_len(visible)
        visible += "→".ljust(TAB - at % TAB) + printable(part)
    return visible


@cache
def _lexer() -> PythonLexer:
    return PythonLexer()


@cache
def _token(kind: object) -> Token:
    for special, token in _TOKENS:
        if kind in special:  # type: ignore[operator]
            return token
    return "text"
