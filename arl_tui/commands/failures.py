"""The errors of the engine's rooms as sentences with exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from arl_tui.exits import CommandError


@contextmanager
def told() -> Iterator[None]:
    """Turn the engine's errors into sentences with an exit code."""
    try:
        yield
    except Exception as error:
        # The engine's rooms take half a second to import, which the screen cannot wait for.
        from arl_tui.commands.failure_codes import CODES

        found = _lone(error)
        for kind, code in CODES:
            if isinstance(found, kind):
                raise CommandError(_sentence(str(found)), code) from error
        raise found from error


def _lone(error: Exception) -> Exception:
    """The one error inside a task group's group, or the group."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    text = text.strip()
    if text.split(" ", 1)[0].isalpha():  # not the name of a file or a key
        text = text[:1].upper() + text[1:]
    return text + ("" if text.endswith(".") else ".")
