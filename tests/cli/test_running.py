"""Bad input to the commands that run: one sentence, a documented exit code, nothing made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit
from state.folder import StudyFolder
from state.lock import EngineLock
from state.records import NewStudy
from state.store import Store

GOOD = """\
DEPTH = 4


def build_model(vocab_size, seq_len):
    return None


def train(model, run):
    pass
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "good.py").write_text(GOOD)
    return tmp_path


def sentence_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert "Traceback" not in lines[0]
    return lines[0]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--policy", "oracle"], Exit.USAGE, ["'oracle'", "local", "random"]),
        (["--budget", "-5"], Exit.USAGE, ["budget.seconds", "-5", "greater than 0"]),
        (["--budget", "nan"], Exit.USAGE, ["budget.seconds", "nan"]),
        (["--clock", "sundial"], Exit.USAGE, ["budget.clock", "'wall', 'cpu' or 'steps'"]),
        (["--max-experiments", "0"], Exit.USAGE, ["limits.max_experiments"]),
        (["--max-hours", "-1"], Exit.USAGE, ["limits.max_hours"]),
        (["--max-device-hours", "0"], Exit.USAGE, ["limits.max_device_hours"]),
        (["--max-kwh", "nan"], Exit.USAGE, ["limits.max_kwh"]),
        (["--max-cost", "5"], Exit.USAGE, ["limits.price_per_hour"]),
        (["--target-bpb", "-2"], Exit.USAGE, ["limits.target_bpb"]),
        (["--seed", "-1"], Exit.USAGE, ["seed"]),
        (["--target", "nowhere.py"], Exit.TARGET, ["nowhere.py"]),
        (["--data", "nowhere"], Exit.DATA, ["nowhere"]),
        (["--data", "."], Exit.DATA, []),
        (["--slots", "toaster"], Exit.DEVICE, ["'toaster'", "cpu*2"]),
        (["--slots", "cpu,cuda:0"], Exit.DEVICE, ["alike"]),
        (["--nonsense"], Exit.USAGE, ["--nonsense"]),
    ],
)
def test_bad_options(
    options: list[str],
    code: Exit,
    words: list[str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["run", "--headless", *options]) == code
    sentence = sentence_of(capsys)
    assert all(word in sentence for word in words), sentence
    assert not (folder / ".arl").exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("def f(:\n", ["line 1"]),
        ("X = 1\n", ["build_model"]),
        (GOOD.replace("def train(model, run)", "def train(model)"), ["train"]),
        (GOOD.replace("DEPTH = 4", "depth = 4"), ["sites"]),
        ("", ["build_model"]),
        (f"import socket\n{GOOD}", ["line 1: imports socket", "`gate = false`"]),
    ],
)
def test_bad_targets(
    script: str, words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "train.py").write_text(script)
    assert run(["run", "--headless", "--target", "train.py"]) in (Exit.TARGET, Exit.USAGE)
    sentence = sentence_of(capsys)
    assert all(word in sentence for word in words), sentence
    assert not (folder / ".arl").exists()


def test_a_person_may_switch_the_allowlist_off_for_their_own_script(folder: Path) -> None:
    from engine.settings import validate
    from engine.target_reading import TargetError, read_target

    def read(script: str, gate: bool) -> str:
        (folder / "own.py").write_text(script)
        return read_target(validate({"target": {"path": "own.py", "gate": gate}}).target)

    own = f"import socket\n{GOOD}"
    assert read(own, gate=False) == own
    with pytest.raises(TargetError, match="imports socket"):
        read(own, gate=True)
    with pytest.raises(TargetError, match="no function train"):
        read("def build_model(vocab_size, seq_len): ...\n", gate=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[budget]\nsecond = 3\n", ["arl.toml", "budget.second", "seconds"]),
        ("[budget\n", ["arl.toml", "line 1"]),
        ('[slots]\nthreads = "many"\n', ["slots.threads", "'many'"]),
        ("[limits.convergence]\nwindow = 3\n", ["limits.convergence.window", "epsilon"]),
        ('[notify]\ncommand = ""\n', ["notify.command"]),
        ('[data]\ndir = "a"\nhub = "b"\n', ["data.dir", "data.hub"]),
    ],
)
def test_bad_settings(
    text: str, words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "arl.toml").write_text(text)
    assert run(["run", "--headless"]) == Exit.USAGE
    sentence = sentence_of(capsys)
    assert all(word in sentence for word in words), sentence


def test_two_engines_on_one_study(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = StudyFolder(folder / "study")

    async def make() -> None:
        new = NewStudy(name="s", seed=0, target_name="train.py", policy="local")
        async with Store.create(place, new):
            pass

    anyio.run(make)
    with EngineLock(place.lock):
        assert run(["run", "--headless", "--study", "study"]) == Exit.TAKEN
    assert str(os.getpid()) in sentence_of(capsys)
    assert run(["stop", "--study", "study"]) == Exit.NO_ENGINE
    sentence_of(capsys)


@pytest.mark.parametrize("command", ["pause", "resume", "stop"])
def test_no_engine_and_no_study(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command]) == Exit.NOT_FOUND
    sentence_of(capsys)


def test_a_candidate_that_does_not_parse_is_invalid(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.py").write_text("def f(:\n")
    assert run(["try", "broken.py", "--json"]) == Exit.TARGET
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "invalid"
    assert "line 1" in told["reason"]
    assert told["val_bpb"] is None


def test_importing_the_command_line_needs_no_torch() -> None:
    code = "import sys, arl_tui.cli, engine.study; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=60)
