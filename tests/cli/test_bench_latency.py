"""`bench latency`: what it prints."""

from __future__ import annotations

import json

import pytest

from arl_tui.cli import run as arl_tui
from arl_tui.exits import Exit


def run(*words: str) -> int:
    return arl_tui(["bench", "latency", *words])


def test_it_prints_a_row_for_asks_and_one_for_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--policy", "local", "--sites", "3", "--experiments", "4", "--json") == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert found["sites"] == 3
    for call in ("ask", "tell"):
        assert 0 < found[call]["median"] <= found[call]["longest"]
    assert run("--policy", "local", "--sites", "3", "--experiments", "4") == Exit.OK
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["ms", "ask", "tell"]


def test_an_unknown_policy_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--policy", "oracle") == Exit.USAGE
    assert "'oracle'" in capsys.readouterr().err
