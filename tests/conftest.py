"""Fixtures for every room: a tiny environment, a candidate, and what runs candidates."""

from __future__ import annotations

import importlib
import os
import textwrap
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import numpy as np
import psutil
import pytest

from engine.executor import Budget, CurvePoint, Job, Listener, Slot, TrialRequest, TrialResult
from engine.local import LocalExecutor
from env.manifest import Environment
from env.prepare import prepare
from env.sandbox import detect

# Before torch is imported: what tests compute is small, and a second thread would wait for the
# first and spin meanwhile. On a busy machine of two cores that took seven times as long.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tiny_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Made-up text, at most 300 tokens, sequences of 32; scored in one or two batches."""
    folder = tmp_path_factory.mktemp("text")
    random = np.random.Generator(np.random.PCG64(3))
    words = ["the", "return", "größe", "def", "alpha", "x = 1\n", "beta", "🎉", "loss", "of"]
    for number in range(60):
        text = " ".join(random.choice(words, size=250))
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return prepare(
        cache=tmp_path_factory.mktemp("cache"),
        data=folder,
        vocab_size=300,
        seq_len=32,
        val_tokens=2048,
    )


@pytest.fixture(scope="session")
def tiny_candidate() -> str:
    """A sealed target: a bigram model, a millisecond per step."""
    return textwrap.dedent(
        """\
        import torch
        import torch.nn.functional as F
        from torch import nn

        WIDTH = 16
        LEARNING_RATE = 0.01
        BATCH_ROWS = 8


        class Bigram(nn.Module):
            def __init__(self, vocab_size):
                super().__init__()
                self.embedding = nn.Embedding(vocab_size, WIDTH)
                self.head = nn.Linear(WIDTH, vocab_size)

            def forward(self, idx):
                return self.head(self.embedding(idx))


        def build_model(vocab_size, seq_len):
            return Bigram(vocab_size)


        def train(model, run):
            optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
            for step, (x, y) in enumerate(run.batches(BATCH_ROWS)):
                loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.report(step, loss)
        """
    )


class Trials:
    """Runs candidates through the real executor, and finds what they leave behind."""

    # Passed on into a trial's scrubbed environment, so every process of one carries it.
    MARKER = "NCCL_ARL_TEST"

    def __init__(self, environment: Environment, scratch: Path, marker: str) -> None:
        self.environment = environment
        self.scratch = scratch
        self.marker = marker

    async def run(
        self,
        source: str,
        *,
        sandbox: str = "auto",
        clock: Any = "steps",
        budget: float = 20,
        startup: float = 60,
        wall_cap: float | None = None,
        memory: int = 4 << 30,
        sealed: bool = False,
        on_phase: Callable[[str], None] = lambda phase: None,
        cancel_in: str | None = None,
        abort_at: int | None = None,
    ) -> TrialResult:
        """Run one trial; `cancel_in` names the phase in which it is cancelled.

        `abort_at` is the step whose report gets it aborted.
        """
        cancelled = anyio.Event()
        jobs: list[Job] = []

        def report(point: CurvePoint) -> None:
            if abort_at is not None and point.step >= abort_at:
                jobs[0].abort("hopeless")

        def phase(name: str) -> None:
            on_phase(name)
            if name == cancel_in:
                cancelled.set()

        async with anyio.create_task_group() as tasks:
            confined = detect("auto" if sandbox == "locks" else sandbox)
            if sandbox == "locks":  # as on a machine where bubblewrap does not work
                confined = replace(confined, bwrap=None)
            executor = LocalExecutor(tasks, self.environment, confined, self.scratch)
            request = TrialRequest(
                experiment_id=1,
                attempt=1,
                source=source,
                seed=7,
                budget=Budget(budget, clock, startup, wall_cap),
                slot=Slot(0, "cpu", 1, memory),
                sealed=sealed,
            )
            job = await executor.submit(request, Listener(on_phase=phase, on_report=report))
            jobs.append(job)
            if cancel_in is not None:
                await cancelled.wait()
                await anyio.sleep(0.3)
                job.cancel()
            return await job.result()

    def left(self) -> list[str]:
        """The command lines of processes of these trials that are still there."""
        wanted = f"{self.MARKER}={self.marker}".encode()
        found: list[str] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it has ended
        for child in psutil.Process().children(recursive=True):
            try:
                if "env.supervisor" in child.cmdline():  # others belong to other tests
                    found.append(f"supervisor {child.pid}")
            except psutil.Error:
                continue
        return found


@pytest.fixture
def trials(
    tiny_environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Trials:
    marker = uuid.uuid4().hex
    monkeypatch.setenv(Trials.MARKER, marker)
    return Trials(tiny_environment, tmp_path / "scratch", marker)


@pytest.fixture
def checkouts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Makes folders such as people have: tests/standins/checkouts.py."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "standins"))
    return importlib.import_module("checkouts")


@pytest.fixture
def odd_scripts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Scripts that are odd in one way each: tests/standins/odd_scripts.py."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "standins"))
    return importlib.import_module("odd_scripts")
