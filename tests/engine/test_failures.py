"""Streaks of failures: what counts as one, what as alike, and what ends it."""

from __future__ import annotations

import pytest

from engine.failures import Failure, Streaks
from state.records import Kind, Status


def streaks(*runs: tuple[Kind, Status, str]) -> Streaks:
    found = Streaks()
    for run in runs:
        found.take(*run)
    return found


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (
            Failure("crash", "shape [32, 4] is wrong"),
            Failure("crash", "Shape [8, 16]  is wrong"),
            1,
        ),
        (Failure("crash", "at 0x7f2a"), Failure("crash", "at 0xffff"), 1),
        (Failure("oom", "it used more than 1.0 GiB"), Failure("oom", "the system killed it"), 1),
        (Failure("crash", "KeyError: 'a'"), Failure("crash", "ValueError: b"), 0),
        (Failure("crash", "it ended"), Failure("timeout", "it ended"), 0),
    ],
)
def test_numbers_do_not_make_a_reason_another(first: Failure, second: Failure, same: int) -> None:
    assert (first.essence == second.essence) == bool(same)


@pytest.mark.parametrize("status", ["keep", "discard", "abort"])
def test_what_trained_ends_a_streak(status: Status) -> None:
    found = streaks(("candidate", "crash", "a"), ("candidate", status, ""))
    assert found.candidates == []


def test_a_veto_and_other_runs_do_not() -> None:
    found = streaks(
        ("candidate", "crash", "a"),
        ("candidate", "veto", "no"),
        ("confirmation", "keep", ""),
        ("sentinel", "keep", ""),
        ("candidate", "crash", "a"),
    )
    assert (len(found.candidates), found.alike) == (2, 2)


def test_alike_are_the_last_alone_and_the_commonest_is_of_all() -> None:
    runs: list[tuple[Kind, Status, str]] = [("candidate", "oom", "")] * 3
    found = streaks(*runs, ("candidate", "crash", "a"), ("candidate", "oom", "late"))
    assert found.alike == 1
    assert found.commonest() == (Failure("oom", "late"), 4)


def test_runs_of_the_incumbent_have_a_streak_of_their_own() -> None:
    found = streaks(("sentinel", "crash", "a"), ("candidate", "keep", ""), ("replicate", "oom", ""))
    found.take("sentinel", "abort", "its loss is not finite")
    assert [one.status for one in found.reruns] == ["crash", "oom", "abort"]
    found.take("sentinel", "keep", "")
    assert found.reruns == []


def test_a_long_reason_is_cut_for_a_sentence() -> None:
    text = str(Failure("crash", "x" * 5000))
    assert len(text) < 200
    assert text.endswith("…)")
