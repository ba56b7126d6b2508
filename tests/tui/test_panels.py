"""What the panes say: units, missing values, untrusted text."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
from rich.text import Text

from arl_tui.detail import head_lines
from arl_tui.feed import Feed
from arl_tui.timing_words import WORDS, timing_line
from arl_tui.widgets.bars import bar, sparkline
from arl_tui.widgets.devices import device_lines, duty_lines
from arl_tui.widgets.flow import flow
from arl_tui.widgets.headline import headline
from arl_tui.widgets.loss_curve import loss_window
from arl_tui.widgets.oracle_panel import OraclePanel
from arl_tui.widgets.policy_panel import PolicyPanel
from arl_tui.widgets.score_pane import picked_lines
from engine.duty import Activity
from engine.timing import Part
from state.folder import StudyFolder
from state.present import DeviceSample
from state.records import CONTENTION
from state.watch import Brief


def plain(lines: list[Text]) -> list[str]:
    return [line.plain.rstrip() for line in lines]


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0.0, "····"), (0.5, "██··"), (1.0, "████"), (7.0, "████"), (-1.0, "····"), (0.03, "▏···")],
)
def test_a_bar_is_filled_to_its_share(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


def test_a_sparkline_ends_with_the_newest_and_leaves_gaps() -> None:
    assert sparkline([1.0, 0.0, None, 0.5, 2.0], 1.0, 4) == "▁ ▅█"
    assert sparkline([0.0], 0.0, 3) == "  ▁"


def test_a_cpu_tells_nothing_of_power_and_temperature() -> None:
    sample = DeviceSample(
        at="", device="cpu", utilisation=0.5, memory_mb=750.0, memory_total_mb=900.0
    )
    lines = plain(device_lines([sample], 60))
    assert [line.split()[0] for line in lines] == ["busy", "memory"]
    assert lines[0].endswith(" 50 %")
    assert lines[1].endswith("750 / 900 MB")


def test_a_gpu_tells_everything_in_its_units() -> None:
    sample = DeviceSample(
        at="",
        device="cuda:0",
        utilisation=0.994,
        memory_mb=10_500.0,
        memory_total_mb=81_559.0,
        power_w=643.4,
        temperature_c=61.6,
    )
    lines = plain(device_lines([sample, sample], 60))
    for line, value in zip(lines, ["99 %", "10.5 / 81.6 GB", "643 W", "62 °C"], strict=True):
        assert line.endswith(f" {value}")
        assert len(line) == 60


def test_a_slot_s_time_is_told_in_parts_that_fill_the_bar() -> None:
    slot = {"slot": 0, "seconds": {"training": 75.0, "starting": 20.0, "waiting": 5.0}}
    first, *words = plain(duty_lines(slot, 47))
    assert first == "slot 0 " + "█" * 30 + "▓" * 8 + "░" * 2
    assert "█ training 75.0 %" in words[0]
    assert duty_lines({"slot": 1, "seconds": {}}, 40) == []


def test_a_policy_may_say_little() -> None:
    panel = PolicyPanel("Policy")
    assert "has not said" in panel.lines(40)[0].plain
    panel._panel = {"name": "random", "metrics": {"entropy": None}, "updates": 1}
    assert plain(list(panel.lines(40))) == ["random, 1 update", "entropy     -"]


def test_the_oracle_says_stop_in_a_word() -> None:
    panel = OraclePanel("Oracle")
    panel._readings = [
        {"name": "hours", "used": 1.2, "stop": True, "sentence": "over \x1b[31m[b]now[/b]"}
    ]
    line, sentence = panel.lines(30)
    assert line.plain == "hours " + "█" * 17 + "   STOP"
    assert sentence.plain == r"over \x1b[31m[b]now[/b]"


def test_a_picked_experiment_fits_in_two_lines(brief: Callable[..., Brief]) -> None:
    hostile = brief(
        7,
        status="crash",
        val_bpb=None,
        summary="WIDTH 64 -> 96\n[red]x[/red]",
        reason="\x1b]0;owned\x07" + "long " * 40,
    )
    first, second = picked_lines(hostile, 60).plain.split("\n")
    assert first == "#7 candidate  x crash"
    assert second.startswith("WIDTH 64 -> 96 [red]x[/red]: \\x1b]0;owned\\x07long")
    assert len(second) == 60
    assert second.endswith("…")


def test_texts_flow_without_being_broken() -> None:
    lines = flow([Text("one two"), Text("three"), Text("four five")], 14)
    assert plain(lines) == ["one two  three", "four five"]


def test_a_loss_that_ran_away_does_not_flatten_its_curve() -> None:
    low, high = loss_window([7.6, 5.0, *[4.0 - n / 100 for n in range(40)], 1e9])
    assert 3.5 < low < 3.61
    assert 4.0 < high < 5.5


def test_a_busy_machine_is_seen_while_it_lasts(study_folder: Callable[..., StudyFolder]) -> None:
    folder = study_folder(10)
    feed = Feed(folder)

    def top() -> str:
        seen = feed.look()
        assert seen is not None
        assert "engine" in seen[1]
        assert (seen[0].status.contention is None) == ("busy machine" not in plain_top(seen[0]))
        return plain_top(seen[0])

    def plain_top(now: object) -> str:
        return headline(now, 120).plain  # type: ignore[arg-type]

    def say(contended: bool) -> None:
        db = sqlite3.connect(folder.database)
        data = json.dumps({"contended": contended, "sentence": "The machine is busy: very"})
        db.execute(
            "INSERT INTO events (at, type, experiment_id, data) VALUES ('', ?, 8, ?)",
            (CONTENTION, data),
        )
        db.commit()
        db.close()

    try:
        assert "busy machine" not in top()
        say(True)
        assert "busy machine" in top()
        experiment = feed.watcher.experiment(8)
        assert "others" not in head_lines(experiment)[0].plain
        loaded = replace(experiment, device="cpu", contention=0.02, other_load=0.5)
        assert head_lines(loaded)[0].plain.endswith(
            "  waited for a processor 2.0 % of its time; others used 50 % of the processors"
        )
        say(False)
        assert "busy machine" not in top()
    finally:
        feed.close()


def test_where_the_time_went_is_said_in_the_order_of_an_experiments_life() -> None:
    timing = {"score": 2.5, "training": 10.0, "hand_in": 0.001, "proposing": 0.1, "new": 1.0}
    assert timing_line(timing) == "choosing it 0.10 s, training 10.00 s, scoring 2.50 s, new 1.00 s"


def test_every_part_of_an_experiment_has_words() -> None:
    of_slots = set(get_args(Activity)) - {"starting", "scoring"}
    assert set(get_args(Part)) | of_slots <= set(WORDS)
