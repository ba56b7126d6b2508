"""Printing: data on stdout, narration on stderr, and nothing untrusted raw on a terminal."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rich.console import Console
from rich.text import Text


class OutputClosed(Exception):
    """Whoever read our output has gone (`| head`): there is nothing more to say."""


def emit(text: str) -> None:
    """Write data to stdout as it is."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise _closed() from error


def emit_bytes(data: bytes) -> None:
    """Write bytes to stdout as they are."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise _closed() from error


def emit_json(value: Any) -> None:
    """Write one JSON value and a line end to stdout."""
    emit(json.dumps(value, indent=2, allow_nan=False) + "\n")


def emit_styled(lines: list[Text]) -> None:
    """Write lines to stdout, in colour where it is a terminal and NO_COLOR is not set."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal or console.no_color:
        emit("".join(f"{line.plain}\n" for line in lines))
        return
    with console.capture() as capture:
        for line in lines:
            console.print(line, soft_wrap=True)
    emit(capture.get())


def emit_script(text: str, data: bytes | None = None) -> None:
    """Write a source or a diff: exact bytes into a file or pipe, escaped on a terminal.

    `data` is the text in its own encoding, where that is not UTF-8.
    """
    if not sys.stdout.isatty():
        emit_bytes(text.encode("utf-8") if data is None else data)
        return
    emit_styled([Text(printable(line), style=_diff_style(line)) for line in text.split("\n")])


def narrate(text: str) -> None:
    """Say something to the person on stderr."""
    try:
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()
    except OSError:  # nobody listens
        pass


def printable(text: str) -> str:
    """The text with everything escaped that could steer a terminal; newlines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


def one_line(text: str) -> str:
    """The text in one printable line: line ends and runs of spaces are one space."""
    return printable(" ".join(text.split()))


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def _closed() -> OutputClosed:
    # Python flushes stdout once more at its end, which would complain.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    return OutputClosed()
