"""A unified diff as lines to draw: numbers of both sides, colours, and the words that changed."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

from arl_tui.code_text import CUT, Line, LineKind, Piece, colour, plain_lines, show, split_lines

_WORD = re.compile(r"\d[\w.]*|\w+|\s+|.", re.DOTALL)
_SIMILAR = 0.5  # from here on, a line is another line changed
_PAIRS = 900  # comparisons of a removed with an added line, at most, in one block
_KINDS: dict[str, LineKind] = {"+": "added", "-": "removed", " ": "context", "\\": "note"}


def diff_lines(diff: str, *, coloured: bool = True) -> list[Line]:
    """The lines of a diff. One that cannot be read as a diff is shown as it is.

    Without colours and marks it takes a tenth of the time.
    """
    try:
        files = PatchSet(diff)
    except UnidiffParseError:
        return _as_it_is(diff)
    lines: list[Line] = []
    for file in files:
        if len(files) > 1:
            name = file.target_file.removeprefix("b/")
            lines.append(Line("hunk", name, show([Piece(name, "comment")])))
        for hunk in file:
            lines += _hunk(hunk, coloured)
    # unidiff skips what it does not know, and nobody must be able to hide lines from a reader.
    headers = 2 * len(files) - (len(files) if len(files) > 1 else 0)
    if len(lines) + headers != len(split_lines(diff)):
        return _as_it_is(diff)
    return lines


def counts(lines: Sequence[Line]) -> tuple[int, int]:
    """How many lines are added and removed."""
    kinds = Counter(line.kind for line in lines)
    return kinds["added"], kinds["removed"]


def changed_words(old: str, new: str) -> tuple[list[range], list[range]] | None:
    """Where two lines differ, in characters of each; None when they have little in common."""
    if len(old) > CUT or len(new) > CUT:
        return None
    before, after = _WORD.findall(old), _WORD.findall(new)
    if _similarity(Counter(_solid(before)), Counter(_solid(after))) < _SIMILAR:
        return None
    old_ranges: list[range] = []
    new_ranges: list[range] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    old_at, new_at = _offsets(before), _offsets(after)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            old_ranges.append(range(old_at[i1], old_at[i2]))
            new_ranges.append(range(new_at[j1], new_at[j2]))
    return [r for r in old_ranges if r], [r for r in new_ranges if r]


def _as_it_is(diff: str) -> list[Line]:
    """Lines with their signs in front, without numbers: what a reader of any diff expects."""
    return [line._replace(kind="note") for line in plain_lines(diff)]


def _hunk(hunk: Any, coloured: bool) -> list[Line]:
    header = f"@@ -{hunk.source_start},{hunk.source_length} "
    header += f"+{hunk.target_start},{hunk.target_length} @@ {hunk.section_header}".rstrip()
    raw = [(_KINDS[line.line_type], line) for line in hunk]
    shown = _coloured(raw) if coloured else [[Piece(_text(line))] for _, line in raw]
    lines = [Line("hunk", header, show([Piece(header, "comment")]))]
    for (kind, line), pieces in zip(raw, shown, strict=True):
        numbers = (line.source_line_no, line.target_line_no)
        lines.append(Line(kind, _text(line), show(pieces), *numbers))
    return lines


def _coloured(raw: list[tuple[LineKind, Any]]) -> list[list[Piece]]:
    # Each side is lexed as a whole, so that a string of many lines has one colour.
    old = iter(colour([_text(line) for kind, line in raw if kind in ("context", "removed")]))
    new = iter(colour([_text(line) for kind, line in raw if kind in ("context", "added")]))
    coloured: list[list[Piece]] = []
    for kind, line in raw:
        if kind == "note":
            coloured.append([Piece(_text(line), "comment")])
        elif kind == "removed":
            coloured.append(next(old))
        else:
            coloured.append(next(new))
            if kind == "context":
                next(old)
    _mark([kind for kind, _ in raw], [_text(line) for _, line in raw], coloured)
    return coloured


def _text(line: Any) -> str:
    return str(line.value).removesuffix("\n")


def _mark(kinds: list[LineKind], texts: list[str], coloured: list[list[Piece]]) -> None:
    """Mark the changed words of every run of removed lines that added ones follow."""
    at = 0
    while at < len(kinds):
        start = at
        removed = _run(kinds, start, "removed")
        added = _run(kinds, removed.stop, "added")
        at = max(added.stop, start + 1)
        for i, j in _pairs([texts[n] for n in removed], [texts[n] for n in added]):
            changed = changed_words(texts[removed[i]], texts[added[j]])
            if changed is not None:
                coloured[removed[i]] = _marked(coloured[removed[i]], changed[0])
                coloured[added[j]] = _marked(coloured[added[j]], changed[1])


def _run(kinds: list[LineKind], start: int, kind: LineKind) -> range:
    """The lines of a kind from `start` on; a note on a missing line end does not end a block."""
    first = start
    while first < len(kinds) and kinds[first] == "note" and kind == "added":
        first += 1
    end = first
    while end < len(kinds) and kinds[end] == kind:
        end += 1
    return range(first, end) if end > first else range(start, start)


def _pairs(removed: list[str], added: list[str]) -> list[tuple[int, int]]:
    """Which added line replaces which removed one, in order, so that they are most alike."""
    if len(removed) == len(added) and len(removed) == 1:
        return [(0, 0)]
    if len(removed) * len(added) > _PAIRS:
        return list(zip(range(len(removed)), range(len(added)), strict=False))
    old = [Counter(_solid(_WORD.findall(text[:CUT]))) for text in removed]
    new = [Counter(_solid(_WORD.findall(text[:CUT]))) for text in added]
    # best[i][j]: how alike the lines from removed[i] and added[j] on can be made.
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    alike = [[_similarity(a, b) for b in new] for a in old]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            paired = alike[i][j] + best[i + 1][j + 1] if alike[i][j] >= _SIMILAR else 0.0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(old) and j < len(new):
        if alike[i][j] >= _SIMILAR and best[i][j] == alike[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _similarity(old: Counter[str], new: Counter[str]) -> float:
    """The share of words that two lines have in common, 0..1."""
    total = old.total() + new.total()
    return 2 * (old & new).total() / total if total else 1.0


def _solid(words: list[str]) -> list[str]:
    return [word for word in words if not word.isspace()]


def _offsets(words: list[str]) -> list[int]:
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word))
    return offsets


def _marked(pieces: list[Piece], ranges: list[range]) -> list[Piece]:
    """The pieces, cut where the ranges begin and end."""
    cuts = sorted({edge for r in ranges for edge in (r.start, r.stop)})
    marked, at = [], 0
    for text, token, _ in pieces:
        edges = [at, *(cut for cut in cuts if at < cut < at + len(text)), at + len(text)]
        for start, end in itertools.pairwise(edges):
            inside = any(start in r for r in ranges)
            marked.append(Piece(text[start - at : end - at], token, inside))
        at += len(text)
    return marked
