"""`arl-tui notify` tries the command of arl.toml."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_runs_once_with_a_test_event(folder: Path, capsys: Captured) -> None:
    (folder / "arl.toml").write_text('[notify]\ncommand = "cat > told"\n')
    assert run(["notify"]) == Exit.OK
    assert capsys.readouterr().err == "The notify command ended well.\n"
    told = json.loads((folder / "told").read_text())
    assert (told["event"], told["study"]) == ("test", str(folder / ".arl"))


@pytest.mark.parametrize(
    ("text", "words"), [("", "no [notify] command"), ('[notify]\ncommand = "exit 4"\n', "code 4")]
)
def test_none_and_one_that_fails_are_one_sentence(
    text: str, words: str, folder: Path, capsys: Captured
) -> None:
    (folder / "arl.toml").write_text(text)
    assert run(["notify"]) == Exit.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
