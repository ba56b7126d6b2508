"""`arl-tui bench oracle`: the table, its JSON, and what it refuses."""

from __future__ import annotations

import json

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit

Captured = pytest.CaptureFixture[str]
FEW = ["bench", "oracle", "--studies", "3", "--tries", "600"]


def test_the_table_fits_a_terminal(capsys: Captured) -> None:
    assert run(FEW) == Exit.OK
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == 1 + 10 * 4
    assert max(map(len, lines)) <= 80
    assert " ".join(lines[1].split()) == "no gain at all the rule 100.0 450 0.0 0.0 0.0"
    assert "no stop before 450 tries without a gain; seed 0" in printed.err


def test_json_repeats_itself(capsys: Captured) -> None:
    def printed() -> str:
        assert run([*FEW, "--ahead", "20", "--delta", "0.2", "--json"]) == Exit.OK
        return capsys.readouterr().out

    first = printed()
    assert printed() == first
    found = json.loads(first)
    assert (found["needed"], found["experiments"], found["delta"]) == (80, 20, 0.2)
    assert found["rows"][0]["tries"] == 80


@pytest.mark.parametrize(("option", "value"), [("--studies", "0"), ("--delta", "0.9")])
def test_what_makes_no_sense_is_refused(capsys: Captured, option: str, value: str) -> None:
    assert run(["bench", "oracle", option, value]) == Exit.USAGE
    assert option in capsys.readouterr().err
