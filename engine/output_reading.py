"""What the output of a failed command says about the failure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.messages import printable

_LONGEST = 500
_SHORTEST_SECRET = 8  # characters; a shorter value, such as `1` or `true`, stands for itself
_TRACEBACK = "Traceback (most recent call last)"
_RANK = re.compile(r"^\[rank\d+\]:\s?")  # torchrun puts it before each line
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_OUT_OF_MEMORY = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|HIP out of memory|MPS backend out of memory"
    r"|OutOfMemoryError|RESOURCE_EXHAUSTED|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED"
    r"|^\w*\.?MemoryError\b|not enough memory: you tried to allocate"
    r"|[Cc]an(?:not|'t) allocate memory|std::bad_alloc|Unable to allocate [\d.]+ \w?i?B",
)


def without_values(log: str, variables: Mapping[str, str]) -> str:
    """The log with `<NAME>` for the values of these variables: it is kept, shown and exported."""
    for name, value in sorted(variables.items(), key=lambda item: -len(item[1])):
        if len(value) >= _SHORTEST_SECRET:
            log = log.replace(value, f"<{name}>")
    return log


def last_error(log: str) -> str | None:
    """The error that the last traceback in a log ends with: its class and its message."""
    _, found, after = log.rpartition(_TRACEBACK)
    lines = [_RANK.sub("", line) for line in _lines(after)] if found else []
    frames = False
    for line in lines:
        if line[:1].isspace():
            frames = True
        elif frames and line:
            return line.strip()[:_LONGEST]
    return None


def last_line(log: str) -> str | None:
    """The last line of a log that says anything."""
    lines = [line for line in _lines(log) if line.strip()]
    return lines[-1].strip()[:_LONGEST] if lines else None


def out_of_memory(log: str) -> str | None:
    """The line that says that memory has run out, of the device or of the host."""
    for line in reversed(_lines(log)):
        if _OUT_OF_MEMORY.search(line):
            return line.strip()[:_LONGEST]
    return None


def failing_part(log: str) -> str:
    """A log from its first traceback on: what went wrong before was got over. All without one."""
    start = log.find(_TRACEBACK)
    return log if start < 0 else log[start:]


def _lines(text: str) -> list[str]:
    """Its lines without colours; a carriage return ends one, too."""
    return [printable(line) for line in re.split(r"[\r\n]+", _ESCAPES.sub("", text))]
