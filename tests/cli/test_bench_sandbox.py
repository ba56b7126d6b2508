"""`bench sandbox`: what it prints."""

from __future__ import annotations

import json

import pytest

from arl_tui.cli import run as arl_tui
from arl_tui.exits import Exit
from engine import sandbox_bench
from env.sandbox import Sandbox, detect


def test_it_prints_a_row_for_each_kind_that_works_here(capsys: pytest.CaptureFixture[str]) -> None:
    found = detect("auto")
    kinds = 1 + (2 if found.bwrap else 0) + (1 if found.landlock or found.seccomp else 0)
    assert arl_tui(["bench", "sandbox", "--rounds", "2", "--json"]) == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert printed["rounds"] == 2
    assert len(printed["rows"]) == kinds
    assert (printed["rows"][0]["layers"], printed["rows"][0]["more"]) == ("none", 0)
    assert all(row["median"] > 0 for row in printed["rows"])
    assert arl_tui(["bench", "sandbox", "--rounds", "1"]) == Exit.OK
    assert len(capsys.readouterr().out.splitlines()) == kinds + 1


def test_a_process_that_fails_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sandbox, "wrap", lambda self, argv, *rest: ["/bin/false"])
    with pytest.raises(RuntimeError, match="ended with 1"):
        sandbox_bench.measure(1)
