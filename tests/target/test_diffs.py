"""Diffs are unified diffs, and reproduce the candidate to the byte."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from unidiff import PatchSet

from target.diff import DiffError, apply_diff, titled, unified_diff

lines = st.sampled_from(
    ["", "a", "b", "c", " x", "-- -", "++ +", "\\ No newline", "ä 漢", "@@ -1 +1 @@"]
)
ends = st.sampled_from(["\n", "\n", "\r\n", "\r", "\x0c\n", "\u2028", "\x1c\n", ""])
texts = st.lists(st.tuples(lines, ends), max_size=12).map(lambda ps: "".join(a + b for a, b in ps))


@given(texts, texts)
@example("", "a")
@example("a", "")
@example("a\n", "a")
@example("a", "a\n")
@example("--- a\n", "+++ b\n")
@example("a\r\nb\r\n", "a\r\nc\r\n")
@example("\n\n\n", "\n\n")
def test_a_diff_reproduces_its_candidate(parent: str, candidate: str) -> None:
    diff = unified_diff(parent, candidate)
    assert apply_diff(diff, parent) == candidate
    assert (diff == "") == (parent == candidate)
    if diff:
        (patched,) = PatchSet(diff)
        assert patched.path == "train.py"


@given(texts, texts)
def test_a_diff_can_have_the_name_of_another_file(parent: str, candidate: str) -> None:
    diff = unified_diff(parent, candidate)
    named = titled(diff, "my script.py")
    assert named == unified_diff(parent, candidate, "my script.py")
    assert titled(diff.partition("@")[2], "x.py") == diff.partition("@")[2]


def test_a_diff_is_what_people_know() -> None:
    assert unified_diff("A = 1\nB = 2", "A = 1\nB = 3", "x.py") == (
        "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n A = 1\n"
        "-B = 2\n\\ No newline at end of file\n+B = 3\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize(
    ("diff", "says"),
    [
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-B\n+C\n", "does not fit its parent at line 1"),
        ("--- a/x\n+++ b/x\n@@ -9 +9 @@\n-A\n+C\n", "does not fit"),
        ("--- a/x\n+++ b/x\n@@ -1,5 +1 @@\n-A\n", "cannot be read"),
        ("hello", "one file, and changes 0"),
    ],
)
def test_a_diff_that_does_not_fit_is_refused(diff: str, says: str) -> None:
    with pytest.raises(DiffError, match=says):
        apply_diff(diff, "A\n")
