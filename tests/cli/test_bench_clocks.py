"""`bench clocks`: what it prints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arl_tui.cli import run as arl_tui
from arl_tui.exits import Exit
from engine import clock_bench
from engine.decisions import BaselineFailed
from engine.executor import TrialResult


def test_it_prints_both_sides_and_their_ratio(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure(replicates: int, *rest: Any) -> clock_bench.Fairness:
        rest[-1]("idle: val-bpb 2.0000")
        sides = [
            [
                TrialResult("scored", val_bpb=2 + n / 10, steps=9, contention=w, other_load=0.3)
                for n in range(replicates)
            ]
            for w in (None, 0.2)
        ]
        return clock_bench.compare(*sides, 1)

    monkeypatch.setattr(clock_bench, "measure", measure)
    words = ["bench", "clocks", "--replicates", "3", "--seconds", "1"]
    assert arl_tui([*words, "--json"]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["replicates"], found["ratio"], found["shift"]) == (3, 1, 0)
    assert found["hogged"]["waited"] == 0.2
    assert found["hogged_flagged"]
    assert arl_tui(words) == Exit.OK
    heading, idle, hogged, _, ratio = capsys.readouterr().out.splitlines()
    assert heading.split()[-3:] == ["waited", "others", "flagged"]
    assert idle.split()[0] == "idle"
    assert " - " in idle
    assert "20.0 %" in hogged
    assert ratio.startswith("hogged to idle  spread x 1.00")


def test_a_script_that_does_not_score_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure(*rest: Any) -> clock_bench.Fairness:
        raise BaselineFailed("a run ended as oom: too much")

    monkeypatch.setattr(clock_bench, "measure", measure)
    assert arl_tui(["bench", "clocks"]) == Exit.BASELINE_FAILED
    assert "A run ended as oom: too much." in capsys.readouterr().err
