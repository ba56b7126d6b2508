"""Killed engines with real trials: the command line, the sandbox, the scorer, the `steps` clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

# In the order in which the first two experiments reach them.
FAULTS = ("spawned", "training", "reported", "trained", "scoring:2")
QUICK = ("reported", "scoring:2")
GONE_SECONDS = 5.0
TARGET = """\
import torch
from torch import nn
from torch.nn import functional as F

WIDTH = 16  # size of an embedding
LR = 0.01  # learning rate
BATCH = 4  # rows


def build_model(vocab_size, seq_len):
    return nn.Sequential(nn.Embedding(vocab_size, WIDTH), nn.Linear(WIDTH, vocab_size))


def train(model, run):
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    for step, (x, y) in enumerate(run.batches(BATCH)):
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.report(step, loss)
"""
SETTINGS = """\
[target]
path = "train.py"

[data]
dir = "texts"
vocab_size = 300
seq_len = 32

[budget]
clock = "steps"
seconds = 4

[limits]
max_experiments = 3
min_disk_gb = 0

[acceptance]
replicates = 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(40):
        words = " ".join(f"word{number * 7 % 13} and number {n * number}" for n in range(60))
        (texts / f"{number}.txt").write_text(words)
    (tmp_path / "train.py").write_text(TARGET)
    (tmp_path / "arl.toml").write_text(SETTINGS)
    monkeypatch.setenv("ARL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(study: str, fault: str = "") -> subprocess.Popen[str]:
    argv = [str(Path(sys.executable).with_name("arl-tui")), "run", "--headless", "--study", study]
    environment = dict(os.environ) | {"ARL_FAULT": fault}
    return subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def history(study: str) -> list[dict[str, object]]:
    argv = [str(Path(sys.executable).with_name("arl-tui")), "history", "--json", "--study", study]
    return json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout)


def workers() -> dict[int, str]:
    """Everything of this Python on this machine that works for some engine's trials."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        ours = sys.executable in line
        if ours and any(name in line for name in ("env.supervisor", "env.harness", "env.scorer")):
            found[process.pid] = line
    return found


def wait_until_nothing_is_left(before: dict[int, str]) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while left := {pid: line for pid, line in workers().items() if pid not in before}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.soak
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("faults", [QUICK, pytest.param(FAULTS, marks=pytest.mark.soak)])
def test_killed_during_trials_it_leaves_nothing_and_goes_on_bit_for_bit(
    faults: tuple[str, ...],
) -> None:
    whole = run("whole")
    _, err = whole.communicate(timeout=200)
    assert whole.returncode == 0, err
    for fault in faults:
        before = workers()
        killed = run("killed", fault)
        _, err = killed.communicate(timeout=200)
        assert killed.returncode == -signal.SIGKILL, (fault, err)
        wait_until_nothing_is_left(before)
    resumed = run("killed")
    out, err = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, err
    assert "The last engine was killed" in out
    same = ("id", "kind", "parent_id", "status", "val_bpb", "delta", "edit", "reason", "source_sha")
    expected = [{key: row[key] for key in same} for row in history("whole")]
    assert [{key: row[key] for key in same} for row in history("killed")] == expected
    assert all(row["val_bpb"] for row in expected if row["kind"] != "candidate")
