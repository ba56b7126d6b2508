"""A small environment for attacks, things to steal, and the table of how they ended."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch

import env
from env.manifest import Environment
from env.prepare import prepare

ROWS = pytest.StashKey[list[str]]()
HEAD = (
    "| candidate | tries | wall | gate | ended | val-bpb (honest twin's) | seconds | reason |",
    "|---|---|---|---|---|---|---|---|",
)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Made-up text of 200 words, some of them frequent; its validation rows are many batches."""
    folder = tmp_path_factory.mktemp("text")
    random = np.random.Generator(np.random.PCG64(5))
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzäöü"))
    words = ["".join(random.choice(letters, size=n)) for n in random.integers(2, 9, size=200)]
    shares = 1 / np.arange(1, 201)
    for number in range(60):
        text = " ".join(random.choice(words, size=600, p=shares / shares.sum()))
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return prepare(
        cache=tmp_path_factory.mktemp("cache"),
        data=folder,
        vocab_size=300,
        seq_len=32,
        val_tokens=8192,
    )


@dataclass
class Prey:
    """What candidates would like to reach, by the words that stand for it in their sources."""

    places: dict[str, str]
    folders: tuple[Path, ...]

    def fingerprint(self) -> str:
        """A hash of everything that must stay as it is: prepared data, secrets, frozen code."""
        digest = hashlib.sha256()
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.suffix != ".pyc":
                    digest.update(f"{path}\0{path.stat().st_mode}\0".encode())
                    digest.update(path.read_bytes())
        packages = Path(torch.__file__).parent.parent
        digest.update("\0".join(sorted(os.listdir(packages))).encode())
        for path in (*packages.glob("torch/nn/functional.py"), *packages.glob("torch/__init__.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()


@pytest.fixture(scope="session")
def prey(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prey]:
    """Secrets on the disk and in the environment, and services that listen."""
    home = tmp_path_factory.mktemp("home")
    for name in (".ssh/id_ed25519", ".config/token", "study.db"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("sk-redteam")
    run = uuid.uuid4().hex[:12]
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(f"\0{run}")
        local.listen()
        patch.setenv("OPENAI_API_KEY", "sk-redteam")
        patch.setenv("HF_TOKEN", "sk-redteam")
        places: dict[str, Any] = {
            "@VAL@": environment.val,
            "@CACHE@": environment.path.parent,
            "@CODE@": Path(env.__path__[0]),
            "@HOME@": home,
            "@ENGINE@": os.getpid(),
            "@PORT@": server.getsockname()[1],
            "@RUN@": run,
        }
        code = (Path(env.__path__[0]), Path(safetensors.__file__).parent)
        folders = (environment.path, home, *code)
        yield Prey({name: str(place) for name, place in places.items()}, folders)


@pytest.fixture
def table(request: pytest.FixtureRequest) -> list[str]:
    """The rows of the table that is printed at the end."""
    return request.config.stash.setdefault(ROWS, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print how the candidates ended, as a table for docs/redteam.md."""
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.write_sep("=", "red team")
        for line in (*HEAD, *sorted(rows)):
            terminalreporter.write_line(line)
    sys.stdout.flush()
