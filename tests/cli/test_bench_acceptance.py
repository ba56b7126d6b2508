"""`arl-tui bench acceptance`: the table, its JSON, and what it refuses."""

from __future__ import annotations

import json

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit

Captured = pytest.CaptureFixture[str]


def test_the_tables_fit_a_terminal(capsys: Captured) -> None:
    assert run(["bench", "acceptance", "--studies", "3", "--edits", "10"]) == Exit.OK
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    rules, drifts = lines[:13], lines[13:]
    # Three rules, two noises, from the start and after a promotion; nine drifts, two noises.
    assert len(drifts) == 19
    assert max(map(len, lines)) <= 80
    assert len({len(line) for line in rules}) == len({len(line) for line in drifts}) == 1
    assert rules[1].startswith("the keep rule    gaussian start")
    assert drifts[2].startswith("gaussian     -1")
    assert "3 studies of 10 edits" in printed.err


@pytest.mark.parametrize(("table", "lines"), [("rules", 13), ("drift", 19)])
def test_one_table_alone(table: str, lines: int, capsys: Captured) -> None:
    options = ["--studies", "2", "--edits", "4", "--table", table]
    assert run(["bench", "acceptance", *options]) == Exit.OK
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_an_unknown_table_is_refused(capsys: Captured) -> None:
    assert run(["bench", "acceptance", "--table", "all"]) == Exit.USAGE
    assert "rules, drift or both" in capsys.readouterr().err


def test_json_repeats_itself(capsys: Captured) -> None:
    def printed(seed: str) -> str:
        arguments = ["bench", "acceptance", "--studies", "4", "--edits", "20", "--json"]
        assert run([*arguments, "--seed", seed]) == Exit.OK
        return capsys.readouterr().out

    first = printed("1")
    assert printed("1") == first
    assert printed("2") != first
    found = json.loads(first)
    assert (found["studies"], found["edits"], found["seed"]) == (4, 20, 1)
    assert found["rows"][0]["rule"] == "the keep rule"
    assert set(found["rows"][0]["power"]) == {"2.0", "3.0", "4.0"}
    assert [row["shift"] for row in found["drifts"]][:3] == [0.0, -1.0, -2.0]


@pytest.mark.parametrize("option", ["--studies", "--edits"])
def test_nothing_to_simulate_is_refused(capsys: Captured, option: str) -> None:
    assert run(["bench", "acceptance", option, "0"]) == Exit.USAGE
    assert option in capsys.readouterr().err


def test_bench_alone_lists_its_commands(capsys: Captured) -> None:
    assert run(["bench"]) == Exit.OK
    assert "acceptance" in capsys.readouterr().out
