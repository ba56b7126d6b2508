"""`sites`: what it lists, and what it says about scripts that it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arl_tui.cli import run as arl_tui
from arl_tui.exits import Exit

SCRIPT = """\
import argparse
from frozen import LENGTH

ROWS = 8  # rows at once
TOKENS = 2**12
EPOCHS = 3
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)  # arl: range 1e-3..1e-1 log
args = parser.parse_args()
assert TOKENS % (ROWS * LENGTH) == 0
assert opaque(args)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "frozen.py").write_text("LENGTH = 64\n")
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def test_people_see_sites_and_constraints(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert arl_tui(["sites", str(script)]) == Exit.OK
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert [row[1] for row in rows if row and row[0] in ("4", "5", "6", "8")] == [
        "ROWS",
        "TOKENS",
        "--lr",
    ]
    assert "0.001..0.1 log" in out
    assert "rows at once" in out
    assert "ROWS is 8" in out
    assert "LENGTH is 64" in out
    assert err == "3 sites, 1 of 2 asserts understood.\n"


def test_scripts_get_json(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert arl_tui(["sites", str(script), "--json"]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert [site["id"] for site in found["sites"]] == ["ROWS", "TOKENS", "--lr"]
    rows = found["sites"][0]
    assert (rows["kind"], rows["value"], rows["line"], rows["near"]) == (
        "int",
        8,
        4,
        [2, 4, 16, 32],
    )
    assert found["modules"] == ["frozen"]
    first, second = found["constraints"]
    assert first["values"] == {"TOKENS": "4096", "ROWS": "8", "LENGTH": "64"}
    assert (first["holds"], second["holds"]) == (True, None)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"print(1)\n", "The script has no sites: give it constants to change"),
        (b"", "The script has no sites"),
        (b"A = (\n", "The script does not parse: line 1"),
        (b"A = 1  # arl: rnage 1..2\n", "Line 1: cannot follow the hint"),
        (b"A = 1\n# far down: \xff\xfe\n", "save the script as UTF-8"),
        ("A = 1\n".encode("utf-16"), "save the script as UTF-8"),
        (b"# coding: no-such-thing\nA = 1\n", "encoding"),
        (b"A = 1\0\n", "does not parse"),
    ],
)
def test_a_script_without_use_is_one_sentence(
    data: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(data)
    assert arl_tui(["sites", str(path)]) == Exit.TARGET
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"A = 1\r\nif A:\r\n\tB = 2\r\n",
        b"\xef\xbb\xbfA = 1\n",
        b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\nA = 1  # gr\xf6\xdfe\n",
        "# größe\nA = 1\n".encode(),
    ],
)
def test_tabs_line_ends_and_encodings_are_read(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(data)
    assert arl_tui(["sites", str(path), "--json"]) == Exit.OK
    assert "A" in [site["id"] for site in json.loads(capsys.readouterr().out)["sites"]]


def test_a_missing_script_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert arl_tui(["sites", str(tmp_path / "none.py")]) == Exit.TARGET
    assert "Cannot read" in capsys.readouterr().err


def test_what_a_script_says_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.py"
    path.write_text("A = 1  # \x1b[31mred\nassert A == 1, '\x1b[2J'\n")
    assert arl_tui(["sites", str(path)]) == Exit.OK
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
