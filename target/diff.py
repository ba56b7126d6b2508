"""Edits as unified diffs, which people read.

Lines end at \\n alone, so that every other byte survives.
"""

from __future__ import annotations

import difflib

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

_NO_NEWLINE = "\\ No newline at end of file\n"


class DiffError(ValueError):
    """A diff that cannot be read, or does not fit its parent."""


def unified_diff(parent: str, candidate: str, name: str = "train.py") -> str:
    """The change from parent to candidate as unified diff text; empty when they are equal."""
    pieces = []
    lines = difflib.unified_diff(_lines(parent), _lines(candidate), f"a/{name}", f"b/{name}")
    for line in lines:
        pieces.append(line)
        if not line.endswith("\n"):
            pieces += ["\n", _NO_NEWLINE]
    return "".join(pieces)


def titled(diff: str, name: str) -> str:
    """The diff with the file's name in its first two lines; one without these stays as it is."""
    first, second, *rest = [*diff.split("\n", 2), "", ""]
    if not (first.startswith("--- a/") and second.startswith("+++ b/")):
        return diff
    return "\n".join((f"--- a/{name}", f"+++ b/{name}", rest[0]))


def apply_diff(diff: str, parent: str) -> str:
    """The candidate that the diff makes of its parent, exactly. Raises DiffError."""
    if not diff:
        return parent
    try:
        files = PatchSet(diff)
    except UnidiffParseError as error:
        raise DiffError(f"the diff cannot be read: {error}") from None
    if len(files) != 1:
        raise DiffError(f"the diff must change one file, and changes {len(files)}")
    old, new, at = _lines(parent), [], 0
    for hunk in files[0]:
        # A hunk without old lines stands behind the line that it names.
        start = hunk.source_start - (1 if hunk.source_length else 0)
        source, target = _sides(hunk)
        if start < at or old[start : start + len(source)] != source:
            raise DiffError(f"the diff does not fit its parent at line {hunk.source_start}")
        new += [*old[at:start], *target]
        at = start + len(source)
    return "".join([*new, *old[at:]])


def _lines(text: str) -> list[str]:
    """Lines with their ends, cut at \\n only: \\r, form feeds and the like are part of a line."""
    pieces = text.split("\n")
    return [piece + "\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def _sides(hunk: object) -> tuple[list[str], list[str]]:
    """A hunk's old and new lines, with the missing newline at the end of a file taken off."""
    source: list[str] = []
    target: list[str] = []
    last: list[list[str]] = []
    for line in hunk:  # type: ignore[attr-defined]
        if line.line_type == "\\":
            for side in last:
                side[-1] = side[-1].removesuffix("\n")
            continue
        last = {"-": [source], "+": [target]}.get(line.line_type, [source, target])
        for side in last:
            side.append(line.value)
    return source, target
