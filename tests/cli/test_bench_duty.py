"""`bench duty`: what it prints, and how it counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arl_tui.cli import run as arl_tui
from arl_tui.exits import Exit
from engine import duty_bench
from engine.duty_bench import Duty, DutyStopped

ENGINE = Duty("engine", 3, 40.0, 36.0, {"proposing": 0.5, "training": 12.0, "score": 5.0})
PLAIN = Duty("plain loop", 3, 72.0, 36.0, {"start": 4.0, "training": 12.0, "score": 8.0})


def test_it_prints_both_loops_side_by_side(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(duty_bench, "measure", lambda experiments, seconds, done: (ENGINE, PLAIN))
    assert arl_tui(["bench", "duty", "--json"]) == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert (printed["experiments"], printed["seconds"]) == (12, 10.0)
    assert (printed["engine"]["duty"], printed["plain_loop"]["duty"]) == (0.9, 0.5)
    assert (printed["engine"]["per_hour"], printed["plain_loop"]["per_hour"]) == (270.0, 150.0)
    assert arl_tui(["bench", "duty"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        "choosing it",
        "starting, importing, building",
        "training",
        "scoring",
    ]
    assert lines[-2].split() == ["duty", "cycle", "90.0", "%", "50.0", "%", "ratio", "1.80"]
    assert lines[-1].endswith("ratio 1.80")
    assert max(map(len, lines)) < 100


def test_a_signal_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: object) -> None:
        raise DutyStopped(15)

    monkeypatch.setattr(duty_bench, "measure", measure)
    assert arl_tui(["bench", "duty"]) == 128 + 15
    assert capsys.readouterr().out == ""


SCRIPT = """\
import sys, time
assert sys.argv[1:] == ["--budget", "1", "--clock", "cpu", "--seed", "{number}"]
time.sleep(0.1)
print("step 0 loss 5.0")
time.sleep(0.2)
print("trained 3 steps in 0.2 s")
time.sleep(0.1)
"""


def test_a_plain_loop_is_timed_by_what_its_scripts_print(tmp_path: Path) -> None:
    done: list[str] = []
    sources = [SCRIPT.format(number=number) for number in range(3)]
    sources.insert(1, "import sys; sys.exit(3)")
    sources[2] = SCRIPT.format(number=2)
    sources[3] = SCRIPT.format(number=3)
    found = duty_bench._plain(sources, 1, tmp_path, done.append)
    assert len(done) == 4
    assert found.cycles == 2
    assert found.trained >= 0.4
    assert found.seconds >= found.trained + 2 * 0.2
    assert set(found.parts) == {"start", "training", "score"}
