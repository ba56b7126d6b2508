"""Edits change what they say they change, and no other byte."""

from __future__ import annotations

import contextlib
import random

import pytest

from target import lattice
from target.diff import apply_diff, unified_diff
from target.edit import Change, Edit, EditError, apply, change, describe
from target.literal import Value, same
from target.sites import find_sites

SOURCE = "DEPTH = 4  # blocks\nWARMUP = 0.1\nACT = 'gelu'  # arl: choices gelu, relu\n"


def edit(**values: Value) -> Edit:
    return Edit(tuple(Change(site, "replace", value) for site, value in values.items()))


def test_an_edit_replaces_values_and_nothing_else() -> None:
    candidate = apply(edit(DEPTH=6, WARMUP=0.05, ACT="relu"), SOURCE)
    assert candidate == SOURCE.replace("4", "6").replace("0.1", "0.05").replace("'gelu'", "'relu'")


def test_people_read_one_line() -> None:
    assert describe(edit(DEPTH=6, WARMUP=0.05), SOURCE) == "DEPTH 4 -> 6, WARMUP 0.1 -> 0.05"
    assert describe(edit(GONE=1), SOURCE) == "GONE -> 1"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Edit(()), "empty"),
        (edit(GONE=1), "no site 'GONE'"),
        (edit(DEPTH=4), "leaves DEPTH at 4"),
        (edit(DEPTH=1.5), "it is a int"),
        (edit(DEPTH=True), "it is a int"),
        (edit(DEPTH="6"), "it is a int"),
        (edit(WARMUP=float("nan")), "cannot be nan"),
        (edit(ACT="tanh"), "choose one of gelu, relu"),
        (Edit((Change("DEPTH", "replace", 5), Change("DEPTH", "replace", 6))), "twice"),
        (Edit((Change("DEPTH", "delete", 5),)), "delete is not"),
    ],
)
def test_what_does_not_fit_is_refused(wanted: Edit, says: str) -> None:
    with pytest.raises(EditError, match=says):
        apply(wanted, SOURCE)


def test_hints_bind_everyone() -> None:
    source = "LR = 0.1  # arl: range 0.01..1\n"
    with pytest.raises(EditError, match=r"range is 0\.01 to 1"):
        apply(edit(LR=2.0), source)
    assert apply(edit(LR=1), source).startswith("LR = 1.0 ")


def test_json_round_trip() -> None:
    wanted = edit(DEPTH=6, WARMUP=0.05, ACT="größer", FLAG=True, ONE=1.0)
    back = Edit.from_json(wanted.to_json())
    assert back == wanted
    assert [type(c.value) for c in back.changes] == [int, float, str, bool, float]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"changes": 3}',
        '{"changes": [{"site": "A"}]}',
        '{"changes": [{"site": "A", "operation": "explode", "value": 1}]}',
        '{"changes": [{"site": 1, "operation": "replace", "value": 1}]}',
        '{"changes": [{"site": "A", "operation": "replace", "value": [1]}]}',
        "[" * 100_000,
    ],
)
def test_bad_json_is_one_clear_error(text: str) -> None:
    with pytest.raises(EditError, match="not an edit in JSON"):
        Edit.from_json(text)


def test_every_single_edit_does_what_it_says(any_script: str) -> None:
    for site in find_sites(any_script):
        for value in lattice.span(site, 1)[-1:]:
            wanted = Edit((change(site, value),))
            candidate = apply(wanted, any_script)
            after = {other.id: other for other in find_sites(candidate)}
            if site.id in after:  # a deleted structure may leave no place to put it back
                assert same(after[site.id].value, value)
            untouched = {s.id: s.value for s in find_sites(any_script) if s.id != site.id}
            assert {k: s.value for k, s in after.items() if k in untouched} == untouched
            assert apply_diff(unified_diff(any_script, candidate), any_script) == candidate


def test_long_walks_of_edits_always_apply(any_script: str) -> None:
    rng = random.Random(any_script)
    source = any_script
    for _ in range(8):
        sites = [site for site in find_sites(source) if lattice.span(site)]
        changes = []
        for site in rng.sample(sites, min(len(sites), rng.randint(1, 3))):
            value = lattice.uniform(site, rng)
            assert value is not None
            changes.append(change(site, value))
        # Two structures may share a line: then the edit is refused, and says so.
        with contextlib.suppress(EditError):
            source = apply(Edit(tuple(changes)), source)
    assert ("\r\n" in any_script) == ("\r\n" in source)
    assert source.count("\r") == source.count("\r\n")
    assert source.startswith("\ufeff") == any_script.startswith("\ufeff")
