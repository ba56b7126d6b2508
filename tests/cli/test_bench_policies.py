"""`arl-tui bench policies`: the table, its JSON and files, and what it refuses before it runs."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit
from engine.conditions import Conditions
from engine.executor import Budget, Slot, TrialRequest, TrialResult
from engine.in_process import InProcessExecutor
from env.sandbox import Sandbox

Captured = pytest.CaptureFixture[str]
SMALL = ["bench", "policies", "--policies", "local,random", "--studies", "3", "--experiments", "12"]
ENGINE_TESTS = Path(__file__).parents[1] / "engine"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ENGINE_TESTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and toys for the simulated studies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "policy.simulated_study", load("toy_problems"))
    return tmp_path


def sentence_of(capsys: Captured) -> str:
    """The one line on stderr."""
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.strip().splitlines()
    return line


def without_times(found: dict[str, Any]) -> dict[str, Any]:
    for part in ("costs", "records"):
        for item in found[part]:
            for key in [key for key in item if key.endswith(("_seconds", "_per_second"))]:
                del item[key]
    return found


def test_the_table_fits_a_terminal(capsys: Captured) -> None:
    assert run(SMALL) == Exit.OK
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert max(map(len, lines)) <= 80
    titles = [line.split()[:2] for line in lines if "median" in line]
    assert titles == [["after", "10"], ["after", "12"]]
    assert lines[0].split()[2:] == ["mean", "median", "sd", "left", "won", "vs", "local", "p"]
    assert lines[1].startswith("local  ")
    assert lines[2].startswith("random ")
    assert "failed" in printed.out
    assert "6/6" in printed.err
    assert "sigma of the noise" in printed.err
    assert "from local" in printed.err


def test_long_labels_keep_the_columns(capsys: Captured) -> None:
    long = "local:sealed=false,random:sealed=false"  # one of 18 letters, and one of 19
    arguments = ["--policies", long, "--studies", "2", "--experiments", "3"]
    assert run(["bench", "policies", *arguments]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("local:sealed=false  ")
    assert lines[2] == "random:sealed=false"
    assert lines[3].startswith(" " * 18)
    assert max(map(len, lines)) <= 80


def test_json_files_and_output_agree_and_repeat(folder: Path, capsys: Captured) -> None:
    def printed(*more: str) -> dict[str, Any]:
        assert run([*SMALL, "--json", "--output", "all.json", *more]) == Exit.OK
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert json.loads((folder / "all.json").read_text()) == found
        return without_times(found)

    first = printed()
    assert printed() == first
    assert printed("--seed", "1") != first
    assert first["policies"] == ["local", "random"]
    assert [(row["policy"], row["after"]) for row in first["rows"]] == [
        ("local", 10),
        ("random", 10),
        ("local", 12),
        ("random", 12),
    ]
    assert [r["problem"] for r in first["records"]] == ["narrow"] * 2 + ["wide"] * 2 + [
        "narrow"
    ] * 2
    assert all(len(r["curve"]) == 13 for r in first["records"])
    wide = printed("--family", "wide")
    assert {r["problem"] for r in wide["records"]} == {"wide"}


def test_resume_and_plot(folder: Path, capsys: Captured) -> None:
    pytest.importorskip("matplotlib")
    files = ["--resume-file", "bench.jsonl", "--plot", "curves.png", "--json"]
    assert run([*SMALL, *files]) == Exit.OK
    first = json.loads(capsys.readouterr().out)
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    journal = folder / "bench.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 7
    journal.write_text("".join(lines[:4]))
    assert run([*SMALL, *files]) == Exit.OK
    again = json.loads(capsys.readouterr().out)
    assert again["records"][:3] == first["records"][:3]
    assert without_times(again) == without_times(first)


def test_the_simulator_itself(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "policy.simulated_study")
    arguments = ["--policies", "random,local", "--studies", "1", "--experiments", "3"]
    assert run(["bench", "policies", *arguments, "--json"]) == Exit.OK
    records = json.loads(capsys.readouterr().out)["records"]
    assert [r["policy"] for r in records] == ["random", "local"]
    assert all(r["curve"][0] == 0.0 and len(r["curve"]) == 4 for r in records)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--policies", "local,oracle"], ["'oracle'", "local"]),
        (["--policies", "local:depth=3"], ["local", "options", "depth"]),
        (["--policies", "local,local"], ["local", "twice"]),
        (["--policies", "local,,random"], ["names no policy"]),
        (["--family", "deep"], ["'deep'", "narrow", "wide"]),
        (["--experiments", "0"], ["--experiments"]),
        (["--studies", "0"], ["--studies"]),
        (["--workers", "0"], ["--workers"]),
        (["--output", "no/all.json"], ["no/all.json", "No such file"]),
        (["--plot", "."], ["cannot be written", "directory"]),
        (["--resume-file", "no/b.jsonl"], ["no/b.jsonl"]),
        (["--output", "a", "--resume-file", "a"], ["a", "twice"]),
        (["--budget", "3"], ["--budget", "--target"]),
        (["--slots", "cpu"], ["--slots", "--target"]),
        (["--confirm", "1"], ["--confirm", "--target"]),
        (["--target", "shipped", "--family", "wide"], ["--family", "simulated"]),
        (["--target", "shipped", "--workers", "2"], ["--workers", "simulated"]),
        (["--target", "shipped", "--policies", "oracle"], ["'oracle'"]),
        (["--target", "shipped", "--budget", "-1"], ["budget.seconds", "-1"]),
    ],
)
def test_bad_options_are_refused_at_once(
    options: list[str], words: list[str], folder: Path, capsys: Captured
) -> None:
    assert run(["bench", "policies", "--policies", "random", *options]) == Exit.USAGE
    sentence = sentence_of(capsys)
    assert all(word in sentence for word in words), sentence
    assert not list(folder.iterdir())


def test_no_target_and_no_device(capsys: Captured) -> None:
    assert run([*SMALL, "--target", "nowhere.py"]) == Exit.TARGET
    assert "nowhere.py" in sentence_of(capsys)
    assert run([*SMALL, "--target", "shipped", "--slots", "toaster"]) == Exit.DEVICE
    assert "toaster" in sentence_of(capsys)


def test_a_plot_needs_matplotlib(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    assert run([*SMALL, "--plot", "curves.png"]) == Exit.USAGE
    assert "pip install 'arl-tui[plot]'" in sentence_of(capsys)
    assert not list(folder.iterdir())


class TestRealTarget:
    """With a function instead of training."""

    @pytest.fixture(autouse=True)
    def trainings(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[TrialRequest]:
        toy = load("toy_study")
        (folder / "train.py").write_text(toy.TARGET)
        requests: list[TrialRequest] = []

        def trial(request: TrialRequest) -> TrialResult:
            requests.append(request)
            if len(requests) == self.signal_at:
                os.kill(os.getpid(), signal.SIGTERM)
            result: TrialResult = toy.trial(request)
            return result

        async def establish(settings: Any, announce: Any) -> Conditions:
            slots = (Slot(0, "cpu", 1, 1 << 30),)
            budget = Budget(settings.budget.seconds or 5, "steps")
            return Conditions(slots, budget, toy.ENVIRONMENT, Sandbox(None))

        monkeypatch.setattr("engine.real_bench.establish", establish)
        monkeypatch.setattr(
            "engine.real_bench.LocalExecutor", lambda *arguments: InProcessExecutor(trial)
        )
        return requests

    signal_at = 0
    COMMAND = (*SMALL, "--target", "train.py", "--resume-file", "bench.jsonl")

    def test_the_table(self, capsys: Captured, trainings: list[TrialRequest]) -> None:
        assert run([*self.COMMAND, "--confirm", "2"]) == Exit.OK
        printed = capsys.readouterr()
        lines = printed.out.splitlines()
        assert max(map(len, lines)) <= 80
        assert [line.split()[0] for line in lines if "median" in line] == [
            "after",
            "after",
            "again",
        ]
        assert lines[0].split()[2:] == ["mean", "median", "sd", "won", "vs", "local", "p"]
        assert "baseline, study 1000000000: val-bpb" in printed.err
        assert "local, study 1000000000, experiment 1: val-bpb" in printed.err
        assert " 84/84 " in printed.err
        assert 3 + 2 * 3 * 12 < len(trainings) <= 3 + 2 * 3 * 14

    def test_a_signal_loses_nothing(self, capsys: Captured, trainings: list[TrialRequest]) -> None:
        self.signal_at = 20
        assert run([*self.COMMAND]) == Exit.TERMINATED
        assert "bench.jsonl has every training" in capsys.readouterr().err
        before = len(trainings)
        assert 20 <= before < 30  # a training takes one turn of the event loop
        assert run([*self.COMMAND, "--json"]) == Exit.OK
        assert len(trainings) <= 3 + 6 * 15 + 1
        found = json.loads(capsys.readouterr().out)
        assert found["unit"] == "val-bpb"
        assert len(found["records"]) == 6
        trainings.clear()
        assert run([*self.COMMAND, "--json"]) == Exit.OK
        assert json.loads(capsys.readouterr().out) == found
        assert not trainings

    def test_other_conditions_are_refused(self, capsys: Captured) -> None:
        assert run([*self.COMMAND]) == Exit.OK
        capsys.readouterr()
        assert run([*self.COMMAND, "--budget", "7"]) == Exit.EPOCH_CHANGED
        assert "budget was 5 and is 7" in sentence_of(capsys)
