"""Diffs and other untrusted text as lines to draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arl_tui.code_text import CUT, Line, Piece, colour, plain_lines, show, source_lines
from arl_tui.diff_text import changed_words, counts, diff_lines
from target.diff import unified_diff

LINES = st.lists(
    st.text(alphabet=st.sampled_from("ab= 1\t\r\x1b\x0c\u2028\"'#+-@\\"), max_size=8), max_size=12
)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


def cut(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


@given(TEXTS, TEXTS, st.booleans())
def test_the_lines_of_a_diff_make_both_sources(parent: str, candidate: str, coloured: bool) -> None:
    lines = diff_lines(unified_diff(parent, candidate), coloured=coloured)
    old, new = cut(parent), cut(candidate)
    removed = {line.old for line in lines if line.kind == "removed"}
    added = {line.new for line in lines if line.kind == "added"}
    for line in lines:
        if line.kind in ("removed", "context"):
            assert line.old is not None
            assert old[line.old - 1] == line.text
        if line.kind in ("added", "context"):
            assert line.new is not None
            assert new[line.new - 1] == line.text
    rest = [text for number, text in enumerate(old, 1) if number not in removed]
    assert rest == [text for number, text in enumerate(new, 1) if number not in added]
    assert counts(lines) == (len(added), len(removed))


@given(TEXTS, TEXTS)
def test_what_is_shown_of_a_diff_is_printable(parent: str, candidate: str) -> None:
    for line in diff_lines(unified_diff(parent, candidate)):
        assert all(piece.text.isprintable() for piece in line.pieces)


@given(st.text() | TEXTS)
def test_any_text_can_be_shown_as_a_diff_without_losing_a_line(text: str) -> None:
    assert len(diff_lines(text)) in (len(cut(text)), max(len(cut(text)) - 2, 0))


def test_a_diff_that_cannot_be_read_is_shown_as_it_is() -> None:
    lines = diff_lines("--- a\n+++ b\n@@ -1,9 +1,9 @@\n-x\n")
    assert [line.text for line in lines] == ["--- a", "+++ b", "@@ -1,9 +1,9 @@", "-x"]
    assert {line.kind for line in lines} == {"note"}


def test_a_diff_hides_no_lines_outside_its_hunks() -> None:
    diff = unified_diff("a = 1\n", "a = 2\n") + "os.system('curl')\n"
    assert diff_lines(diff)[-1].text == "os.system('curl')"


def test_a_missing_line_end_is_said() -> None:
    lines = diff_lines(unified_diff("a = 1", "a = 2\n"))
    assert [line.kind for line in lines] == ["hunk", "removed", "note", "added"]
    assert "No newline" in lines[2].pieces[0].text
    assert marked(lines[3]) == ["2"]


def marked(line: Line) -> list[str]:
    return [piece.text for piece in line.pieces if piece.marked]


def test_only_the_words_that_changed_are_marked() -> None:
    diff = unified_diff("WIDTH = 64  # cells\nLR = 0.02\n", "WIDTH = 96  # cells\nLR = 0.015\n")
    _, *lines = diff_lines(diff)
    assert [(line.kind, marked(line)) for line in lines] == [
        ("removed", ["64"]),
        ("removed", ["0.02"]),
        ("added", ["96"]),
        ("added", ["0.015"]),
    ]


def test_a_line_is_compared_with_the_one_that_it_became() -> None:
    diff = unified_diff("depth = 4\n", "import os\ndepth = 5\n")
    lines = {line.text: marked(line) for line in diff_lines(diff)}
    assert lines["depth = 5"] == ["5"]
    assert lines["import os"] == []


def test_lines_with_little_in_common_are_not_marked() -> None:
    assert changed_words("return x", "for i in range(10):") is None


@given(
    st.text(alphabet="ab =1.\t", max_size=30),
    st.text(alphabet="ab =1.\t", max_size=30),
)
def test_what_is_not_marked_is_the_same_in_both(old: str, new: str) -> None:
    changed = changed_words(old, new)
    if changed is not None:
        same = [
            "".join(c for n, c in enumerate(text) if not any(n in r for r in ranges))
            for text, ranges in ((old, changed[0]), (new, changed[1]))
        ]
        assert same[0] == same[1]


@given(LINES)
def test_colours_leave_the_text_alone(lines: list[str]) -> None:
    assert ["".join(piece.text for piece in pieces) for pieces in colour(lines)] == lines


def test_a_string_of_many_lines_is_one_string() -> None:
    tokens = [[piece.token for piece in pieces] for pieces in colour(['x = """', "if 1", '"""'])]
    assert tokens[1:] == [["string"], ["string"]]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("end\r", "end\\r"),
        ("\u202eabc", "\\u202eabc"),
        ("a\tb", "a→  b"),
        ("[bold]x[/]", "[bold]x[/]"),
    ],
)
def test_what_could_steer_a_terminal_is_visible(text: str, shown: str) -> None:
    assert "".join(piece.text for piece in plain_lines(text)[0].pieces) == shown


def test_a_very_long_line_is_cut_and_says_so() -> None:
    pieces = show([Piece("x" * CUT), Piece("y" * 1500)])
    assert [piece.text[-24:] for piece in pieces] == ["x" * 24, "… 1,500 more characters"]


def test_a_source_has_numbers() -> None:
    assert [(line.new, line.text) for line in source_lines("a\n\nb\n")] == [
        (1, "a"),
        (2, ""),
        (3, "b"),
    ]
