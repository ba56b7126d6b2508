"""`arl-tui bench selfeval` on a few made-up curves, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit

Captured = pytest.CaptureFixture[str]


def write_curves(path: Path, count: int) -> None:
    """Runs whose losses show early what they will score; some fail."""
    dice = np.random.default_rng(0)
    lines = []
    for number in range(count):
        given = number < 3
        score = 2.4 + (0.0 if given else 0.1 * float(dice.standard_normal()))
        curve = [
            [n / 25, n, 1.8 * score + (n / 25) ** -0.5 + 0.02 * float(dice.standard_normal())]
            for n in range(1, 26)
        ]
        record = {
            "number": number,
            "study": "made up",
            "edit": "the script as it is given" if given else f"DEPTH -> {number}",
            "budget": 20.0,
            "val_bpb": None if number == 10 else score,
            "curve": curve,
        }
        lines.append(json.dumps(record) + "\n")
    path.write_text("".join(lines))


def test_the_table_has_a_line_for_each_rule(tmp_path: Path, capsys: Captured) -> None:
    write_curves(tmp_path / "curves.jsonl", 70)
    options = ["--replays", "1", "--curves", str(tmp_path / "curves.jsonl")]
    assert run(["bench", "selfeval", *options]) == Exit.OK
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "rule",
        "none",
        "conformal",
        "sprt",
        "median",
        "halving",
    ]
    assert max(map(len, lines)) <= 80
    assert "69 recorded runs of 20 CPU s" in printed.err
    assert run(["bench", "selfeval", *options, "--json"]) == Exit.OK
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[0]["speed"] == 1.0
    assert rows[0]["aborted"] == rows[0]["false"] == 0
    assert all(row["speed"] >= 1 for row in rows)


@pytest.mark.parametrize("content", ["", "no json\n", '{"number": 1}\n'])
def test_a_file_without_curves_is_refused(content: str, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "curves.jsonl"
    path.write_text(content)
    assert run(["bench", "selfeval", "--curves", str(path)]) == Exit.USAGE
    assert str(path) in capsys.readouterr().err
    assert run(["bench", "selfeval", "--curves", str(tmp_path / "none")]) == Exit.USAGE
