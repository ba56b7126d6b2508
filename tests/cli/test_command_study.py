"""Studies of a person's own script, from `init` to the best one: the real program on a stand-in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit

Json = Any
LOCAL = '\n[policy]\nname = "local"\n'
RESEED = ("reseed = false", "reseed = true")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkouts: ModuleType) -> Path:
    """A checkout of the stand-in whose score is the same each time, with an arl.toml."""
    home = tmp_path / "home"
    folder: Path = checkouts.autoresearch(home / "ar", home, results=True, git=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ARL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(folder)
    code = run(["init", "--yes", "--command", f"{sys.executable} train.py", "--budget", "20"])
    assert code == Exit.OK
    settings = folder / "arl.toml"
    text = settings.read_text().replace("reseed = true", "reseed = false")
    steps = '[access.env]\nAUTORESEARCH_MAX_STEPS = "4"'
    settings.write_text(text.replace("[access.env]", steps) + LOCAL)
    return folder


def output(capsys: pytest.CaptureFixture[str], *words: str) -> Json:
    capsys.readouterr()
    assert run([*words, "--json"]) == Exit.OK
    return json.loads(capsys.readouterr().out)


def headless(*words: str) -> int:
    return run(["run", "--headless", *words])


def test_from_a_checkout_to_a_branch_of_kept_edits(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in checkout.glob("*.*") if path.is_file()}
    assert headless("--max-experiments", "12") == Exit.OK
    told = capsys.readouterr().out
    assert "self-reported" in told
    status = output(capsys, "status")
    assert (status["metric"], status["self_reported"]) == ("val_bpb", True)
    assert status["best"] <= status["baseline"]
    history = output(capsys, "history")
    assert len(history) == 12
    first = history[:3]
    assert len({run["val_bpb"] for run in first}) == 1  # it is the same each time
    assert all(run["peak_memory_mb"] > 1 for run in first)
    assert run(["history"]) == Exit.OK
    assert "before this study" in capsys.readouterr().out.lower()
    assert run(["program"]) == Exit.OK
    assert (checkout / "program.md").read_text().split()[0] in capsys.readouterr().out
    # Neither the work tree nor the index was touched, and kept edits are commits.
    after = {path.name: path.read_bytes() for path in checkout.glob("*.*") if path.is_file()}
    assert after == before
    git = ["git", "-C", str(checkout)]
    log = subprocess.run([*git, "log", "--format=%s", "arl/ar"], capture_output=True, text=True)
    kept = [run for run in history if run["kind"] == "candidate" and run["status"] == "keep"]
    assert all(any(f"#{run['id']} " in line for line in log.stdout.splitlines()) for run in kept)
    best = subprocess.run([*git, "show", "arl/ar:train.py"], capture_output=True, text=True)
    assert run(["best"]) == Exit.OK
    assert capsys.readouterr().out == best.stdout


def engine_at_work(checkout: Path, capsys: pytest.CaptureFixture[str]) -> subprocess.Popen[bytes]:
    """An engine in a process of its own, once an experiment runs."""
    command = [sys.executable, "-m", "arl_tui.cli", "run", "--headless", "--max-experiments", "6"]
    engine = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    database = checkout / ".arl" / "study.db"
    while time.monotonic() < deadline:
        if database.exists() and any(run["status"] == "running" for run in _history(capsys)):
            return engine
        time.sleep(0.1)
    engine.kill()
    raise TimeoutError("no experiment began")


def test_a_frozen_file_that_changes_meanwhile_stops_the_study(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare = checkout / "prepare.py"
    before = prepare.read_text()
    engine = engine_at_work(checkout, capsys)
    prepare.write_text(before + "\n# changed\n")
    assert engine.wait(60) == Exit.EPOCH_CHANGED
    status = output(capsys, "status")
    assert (status["state"], "prepare.py changed" in status["reason"]) == ("stopped", True)
    prepare.write_text(before)
    assert headless("--max-experiments", "6") == Exit.OK
    assert all(run["ended_at"] and run["comparable"] for run in output(capsys, "history"))


def test_a_killed_study_goes_on(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = engine_at_work(checkout, capsys)
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()
    assert headless("--max-experiments", "6") == Exit.OK
    history = output(capsys, "history")
    assert [run["id"] for run in history] == list(range(6))
    assert all(run["ended_at"] for run in history)
    assert not list((checkout / ".arl" / "scratch").iterdir())


def _history(capsys: pytest.CaptureFixture[str]) -> Json:
    capsys.readouterr()
    code = run(["history", "--json"])
    text = capsys.readouterr().out
    return json.loads(text) if code == Exit.OK else []


def test_a_frozen_file_that_changes_needs_a_new_epoch(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert headless("--max-experiments", "3") == Exit.OK
    prepare = checkout / "prepare.py"
    prepare.write_text(prepare.read_text() + "\n# changed\n")
    capsys.readouterr()
    assert headless("--max-experiments", "4") == Exit.EPOCH_CHANGED
    assert "the frozen file prepare.py has changed" in capsys.readouterr().err
    assert headless("--max-experiments", "6", "--rebaseline") == Exit.OK
    history = output(capsys, "history")
    assert [run["comparable"] for run in history] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (('direction = "min"', 'direction = "max"'), Exit.USAGE, "begun with the direction min"),
        (('name = "val_bpb"', 'name = "loss"'), Exit.USAGE, "begun with the metric val_bpb"),
        (("seconds = 20", "seconds = 21"), Exit.EPOCH_CHANGED, "the budget was 20 and is 21"),
        (
            RESEED,
            Exit.EPOCH_CHANGED,
            "target.reseed was False",
        ),
        (("seconds = 20", 'seconds = 20\nclock = "cpu"'), Exit.USAGE, "held to wall time"),
    ],
)
def test_what_a_study_cannot_change(
    checkout: Path,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    code: Exit,
    words: str,
) -> None:
    assert headless("--max-experiments", "1") == Exit.OK
    settings = checkout / "arl.toml"
    text = settings.read_text()
    assert change[0] in text
    settings.write_text(text.replace(*change, 1))
    capsys.readouterr()
    assert headless("--max-experiments", "2") == code
    assert words in capsys.readouterr().err


def test_a_baseline_that_fails_says_why(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = checkout / "train.py"
    script.write_text(script.read_text().replace("DEVICE_BATCH_SIZE = 4", "DEVICE_BATCH_SIZE = 3"))
    assert headless("--max-experiments", "3") == Exit.BASELINE_FAILED
    assert "AssertionError" in capsys.readouterr().err


def test_a_baseline_that_fails_is_not_repeated(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = checkout / "train.py"
    text = script.read_text()
    script.write_text("raise ValueError('broken')\n" + text)
    assert headless("--max-experiments", "9") == Exit.BASELINE_FAILED
    assert [run["status"] for run in output(capsys, "history")] == ["crash", "queued", "queued"]
    script.write_text(text)
    assert headless("--max-experiments", "6") == Exit.OK
    history = output(capsys, "history")
    assert [run["status"] for run in history] == ["crash", *["invalid"] * 2, *["keep"] * 3]


def test_more_is_better(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    odd_scripts: ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "project"
    odd_scripts.write("accuracy", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["init", "--yes", "--command", f"{sys.executable} train.py"]) == Exit.OK
    (folder / "arl.toml").write_text((folder / "arl.toml").read_text() + LOCAL)
    assert run(["try", "train.py"]) == Exit.OK
    assert "accuracy 0.96" in capsys.readouterr().out
    assert headless("--max-experiments", "14") == Exit.OK
    assert "all runs scored the same, so that any gain counts" in capsys.readouterr().out
    status = output(capsys, "status")
    assert (status["direction"], status["baseline"]) == ("max", 0.96)
    assert status["best"] > 0.96  # LR = 0.3 would be perfect
    kept = [one for one in output(capsys, "history") if one["kind"] == "candidate"]
    assert max(one["val_bpb"] for one in kept) >= status["best"]
    assert run(["export", "html", "-o", "report.html"]) == Exit.OK
    assert "accuracy" in (folder / "report.html").read_text()
