"""A unified diff as HTML: added and removed lines, and in them the words that changed."""

from __future__ import annotations

from markupsafe import Markup, escape

from arl_tui.diff_text import changed_words
from arl_tui.output import printable

LINES = 400  # of one diff
_CUT = 500  # characters of one line
_TAGS = {"+": "ins", "-": "del", "@": "b"}


def diff_markup(diff: str, more: str) -> Markup:
    """The lines of a diff, each with its sign in front; nothing in it is taken for markup.

    Of a very long diff it is the beginning; `more` says where the rest is.
    """
    lines = diff.removesuffix("\n").split("\n")
    if lines[0].startswith("--- ") and len(lines) > 1 and lines[1].startswith("+++ "):
        del lines[:2]  # the names of the files
    left = len(lines) - LINES
    lines = lines[:LINES]
    marks = _changed(lines)
    shown = [_line(line, marks.get(number, [])) for number, line in enumerate(lines)]
    if left > 0:
        shown.append(escape(f"… {left} more lines: {more}"))
    return Markup("\n").join(shown)


def _line(line: str, marks: list[range]) -> Markup:
    pieces, at = [], 0
    for mark in marks:  # they are counted without the sign
        start, end = mark.start + 1, mark.stop + 1
        pieces.append(_text(line[at:start]) + Markup("<mark>%s</mark>") % _text(line[start:end]))
        at = end
    rest = line[at:] if len(line) <= _CUT else line[at:_CUT] + f"… {len(line) - _CUT} more"
    text = Markup("").join([*pieces, _text(rest)])
    tag = _TAGS.get(line[:1])
    return text if tag is None else Markup(f"<{tag}>%s</{tag}>") % text


def _text(text: str) -> Markup:
    return escape(printable(text))


def _changed(lines: list[str]) -> dict[int, list[range]]:
    """What to mark in each line: removed lines and as many added ones after them are pairs."""
    marks: dict[int, list[range]] = {}
    at = 0
    while at < len(lines):
        removed = _run(lines, at, "-")
        added = _run(lines, at + removed, "+")
        if removed == added:
            for old in range(at, at + removed):
                pair = lines[old][1:], lines[old + removed][1:]
                found = changed_words(*pair) if max(map(len, pair)) < _CUT else None
                if found is not None:
                    marks[old], marks[old + removed] = found
        at += max(removed + added, 1)
    return marks


def _run(lines: list[str], start: int, sign: str) -> int:
    end = start
    while end < len(lines) and lines[end].startswith(sign):
        end += 1
    return end - start
