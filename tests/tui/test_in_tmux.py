"""The real program in a real terminal: start, review, a lost line, attach again, read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from state.folder import StudyFolder
from state.lock import engine_pid
from state.records import Experiment
from state.watch import Watcher

PATIENCE = 120.0
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

[policy]
name = "local"

[data]
dir = "texts"
vocab_size = 300
seq_len = 32

[budget]
clock = "steps"
seconds = 20

[acceptance]
replicates = 1

[limits]
min_disk_gb = 0
"""


class Terminal:
    """A tmux server of its own, with one window of 120 by 40."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = ""

    def start(self, command: str) -> None:
        """Run a command in a new window; nothing of an earlier one is left."""
        self._server = f"arl-test-{uuid.uuid4().hex}"  # one that ends may take a while to
        environment = {"ARL_CACHE": str(self._folder / "cache"), "TERM": "xterm-256color"}
        words = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        where = ["-c", str(self._folder), "-x", "120", "-y", "40"]
        self._tmux("new-session", "-d", *where, *words, command)

    def press(self, *keys: str) -> None:
        """Send keys, by tmux's names."""
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        """What is to be seen."""
        return self._tmux("capture-pane", "-p")

    def until(self, *wanted: str) -> str:
        """The screen, once it shows all that is wanted."""
        deadline = time.monotonic() + PATIENCE
        while True:
            seen = self.screen()
            if all(text in seen for text in wanted):
                return seen
            assert time.monotonic() < deadline, f"{wanted} never appeared:\n{seen}"
            time.sleep(0.1)

    def kill(self) -> None:
        """The terminal goes away, as when a line drops."""
        subprocess.run(
            ["tmux", "-L", self._server, "kill-server"], capture_output=True, check=False
        )

    def _tmux(self, *words: str) -> str:
        argv = ["tmux", "-L", self._server, "-f", "/dev/null", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(40):
        words = " ".join(f"word{number * 7 % 13} and number {n * number}" for n in range(60))
        (texts / f"{number}.txt").write_text(words)
    (tmp_path / "train.py").write_text(TARGET)
    (tmp_path / "arl.toml").write_text(SETTINGS)
    return tmp_path


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        warnings.warn("tmux is missing: the screen is not tried in a terminal", stacklevel=1)
        pytest.skip("tmux is missing: apt-get install tmux")
    terminal = Terminal(folder)
    yield terminal
    terminal.kill()
    subprocess.run([program(), "stop"], cwd=folder, capture_output=True, check=False, timeout=60)


def program() -> str:
    return str(Path(sys.executable).with_name("arl-tui"))


def once(folder: StudyFolder, condition: Callable[[list[Experiment]], bool]) -> list[Experiment]:
    """The experiments, once they are so."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with Watcher(folder) as watcher:
            found = watcher.history()
        if condition(found):
            return found
        assert time.monotonic() < deadline, [(e.id, e.kind, e.status) for e in found]
        time.sleep(0.1)


def test_a_night_in_a_terminal(folder: Path, terminal: Terminal) -> None:
    study = StudyFolder(folder / ".arl")
    terminal.start(f"{program()} --supervised")
    terminal.until("● running", "1 Chart")
    engine = engine_pid(study.lock)
    assert engine is not None
    assert os.getsid(engine) == engine, "the engine has a session of its own"

    terminal.press("r")
    terminal.until("3 to review", "#2 from #0 by local")
    terminal.press("a")
    once(study, lambda es: es[2].ended)
    terminal.press("V")
    terminal.until("enter gives the verdict")
    terminal.press("-l", "no, thanks")
    terminal.press("Enter")
    vetoed = once(study, lambda es: es[3].status == "veto")[3]
    assert vetoed.reason == "no, thanks"

    terminal.kill()  # the line drops
    time.sleep(0.5)
    assert engine_pid(study.lock) == engine, "the engine goes on"

    terminal.start(program())
    terminal.until("● running", "to review")
    terminal.press("h")
    seen = terminal.until("newest first", "veto", "no, thanks")
    assert "baseline" in seen
    terminal.press("S")
    terminal.until("Stop")
    terminal.press("Escape")
    terminal.press("q")

    done = subprocess.run([program(), "stop"], cwd=folder, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert engine_pid(study.lock) is None
    terminal.kill()

    terminal.start(f"{program()} attach")  # on a dead engine: history, and it says so
    terminal.until("○ stopped")
    terminal.press("2")
    terminal.until("No engine runs: history only.")
