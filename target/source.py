"""A script's text: read and written byte for byte, and parsed once."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path

BOM = "\ufeff"
_LINE_END = re.compile(r"\r\n|\r|\n")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class SourceError(ValueError):
    """A script that cannot be read, or a hint in it that cannot be followed."""


def _encoding(data: bytes) -> str:
    """The encoding that Python would read `data` in; never one that drops the byte-order mark."""
    try:
        name = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    except (SyntaxError, UnicodeDecodeError) as error:
        raise SourceError(
            f"the script's encoding cannot be read: {error}: save the script as UTF-8"
        ) from None
    return "utf-8" if name == "utf-8-sig" else name


def decode(data: bytes) -> str:
    """The text of a script's bytes. A byte-order mark and all line ends stay in the text."""
    try:
        return data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"byte {error.start} of the script is not {error.encoding} text:"
            " save the script as UTF-8"
        ) from None


def encode(text: str) -> bytes:
    """The bytes of a script's text: the inverse of `decode`."""
    head = text[:2000].encode("utf-8", "replace")
    try:
        return text.encode(_encoding(head))
    except UnicodeEncodeError as error:
        raise SourceError(
            f"character {error.start} of the script cannot be written as {error.encoding}"
        ) from None


def read(path: Path) -> str:
    """The text of the script at `path`. Raises SourceError when it is missing or not text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    return decode(data)


def write(path: Path, text: str) -> None:
    """Write a script's text, byte for byte."""
    path.write_bytes(encode(text))


def syntax_tree(text: str) -> ast.Module:
    """The script's syntax tree. Raises SourceError with the line and the reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # doubtful escapes are the script's own affair
            return ast.parse(text.removeprefix(BOM))
    except SyntaxError as error:
        where = f"line {error.lineno}" if error.lineno else "somewhere"
        raise SourceError(f"the script does not parse: {where}: {error.msg}") from None
    except ValueError as error:
        raise SourceError(f"the script does not parse: {error}") from None
    except (RecursionError, MemoryError):
        raise SourceError("the script does not parse: it is nested too deeply") from None


class Script:
    """A parsed script, with the way from syntax nodes back to characters of its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = syntax_tree(text)
        self._start = 1 if text.startswith(BOM) else 0
        self._lines = [self._start, *(m.end() for m in _LINE_END.finditer(text, self._start))]
        self._ascii = text.isascii()
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes: list[ast.AST] = []
        pending: list[ast.AST] = [self.tree]
        while pending:
            node = pending.pop()
            self.nodes.append(node)
            if isinstance(node, ast.JoinedStr):
                continue  # positions inside f-strings are not reliable: nothing there is a site
            children = list(ast.iter_child_nodes(node))
            for child in children:
                self.parents[child] = node
            pending.extend(reversed(children))

    def offset(self, line: int, column: int) -> int:
        """Characters before (line, column); `line` counts from 1, `column` in UTF-8 bytes."""
        start = self._lines[line - 1]
        if self._ascii:
            return start + column
        return start + len(self.line_text(line).encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Start and end of the node, in characters of the text."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno, node.end_col_offset),
        )

    def slice(self, node: ast.expr | ast.stmt) -> str:
        """The node's source text."""
        start, end = self.span(node)
        return self.text[start:end]

    def line_of(self, offset: int) -> int:
        """The line, counted from 1, that holds the character at `offset`."""
        return max(1, bisect_right(self._lines, offset))

    def line_span(self, line: int) -> tuple[int, int]:
        """Start and end of a line; the end lies behind its line end."""
        end = self._lines[line] if line < len(self._lines) else len(self.text)
        return self._lines[line - 1], end

    def line_text(self, line: int) -> str:
        """A line with its line end."""
        start, end = self.line_span(line)
        return self.text[start:end]

    @cached_property
    def newline(self) -> str:
        """The line end that the script uses, by its first line."""
        found = _LINE_END.search(self.text)
        return found.group() if found else "\n"

    @cached_property
    def comments(self) -> dict[int, str]:
        """Comment text by line, without the sign and the spaces around it."""
        lines = re.sub(r"\r\n?", "\n", self.text[self._start :])
        found: dict[int, str] = {}
        try:
            for token in tokenize.generate_tokens(io.StringIO(lines).readline):
                if token.type == tokenize.COMMENT:
                    found[token.start[0]] = token.string.lstrip("#").strip()
        except (tokenize.TokenError, SyntaxError):
            pass  # the parser accepts a few scripts that the tokenizer does not
        return found

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The node's parent, its parent's parent, up to the module."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def function(self, node: ast.AST) -> Function | None:
        """The innermost function around the node."""
        for above in self.ancestors(node):
            if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef):
                return above
        return None

    def qualname(self, node: ast.AST) -> str:
        """The dotted name of the functions and classes around the node; '' at module level."""
        names = [
            above.name
            for above in self.ancestors(node)
            if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        return ".".join(reversed(names))

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that holds the node (itself, if it is one)."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def block(self, stmt: ast.stmt) -> list[ast.stmt]:
        """The statements of the block that `stmt` stands in."""
        for _, value in ast.iter_fields(self.parents[stmt]):
            if isinstance(value, list) and any(item is stmt for item in value):
                return value
        raise ValueError("the statement is not in a block")  # an except or case clause


@lru_cache(maxsize=64)
def parse(text: str) -> Script:
    """The parsed script; the same text is parsed once. Raises SourceError."""
    return Script(text)
