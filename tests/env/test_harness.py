from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from env import harness
from env.failure import Failure


@pytest.fixture(autouse=True)
def candidate_file(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> str:
    path = str(tmp_path_factory.mktemp("scratch") / "train.py")
    monkeypatch.setattr(harness, "_CANDIDATE", path)
    return path


def failing(source: str) -> Failure:
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - whatever a candidate raises
        harness.load_candidate(source)
    return harness.failure_of(raised.value)


@pytest.mark.parametrize(
    ("source", "status", "reason"),
    [
        (
            "\n\nraise ValueError('no  such\\n thing')",
            "crash",
            "ValueError: no such thing (line 3)",
        ),
        ("def f():\n    1 / 0\nf()", "crash", "ZeroDivisionError: division by zero (line 2)"),
        ("raise ValueError", "crash", "ValueError (line 1)"),
        ("import sys\nsys.exit(3)", "crash", "SystemExit: 3 (line 2)"),
        ("raise KeyboardInterrupt", "crash", "KeyboardInterrupt (line 1)"),
        ("raise ValueError('\\ud800')", "crash", "ValueError: ? (line 1)"),
        ("import json\njson.loads('{')", "crash", None),
        ("raise MemoryError", "oom", "MemoryError (line 1)"),
        (
            "raise RuntimeError('[enforce fail] DefaultCPUAllocator: can\\'t allocate memory')",
            "oom",
            None,
        ),
        ("import torch\nraise torch.OutOfMemoryError('CUDA out of memory')", "oom", None),
        ("raise RuntimeError('std::bad_alloc')", "oom", None),
    ],
)
def test_a_failure_is_one_sentence_with_its_line(
    source: str, status: str, reason: str | None
) -> None:
    failure = failing(source)
    assert failure.status == status
    assert "\n" not in failure.reason
    assert reason is None or failure.reason == reason
    assert "(line " in failure.reason


def test_a_long_failure_is_cut() -> None:
    assert len(failing("raise ValueError('x' * 100000)").reason) < 600


def test_a_candidate_is_compiled_as_it_stands(candidate_file: str) -> None:
    module = harness.load_candidate("def f(x: int) -> str: ...\nname = __name__\n")
    # The harness's own `from __future__ import annotations` must not reach it.
    assert module.f.__annotations__ == {"x": int, "return": str}
    assert module.name == "train"
    with open(candidate_file) as file:
        assert file.read().startswith("def f(x: int)")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def train(model, run): ...", "the script must define build_model"),
        ("def build_model(vocab_size, seq_len): ...", "the script must define train"),
        (
            "def train(model, run): ...\ndef build_model(vocab_size, seq_len): return None",
            "build_model must return a torch.nn.Module, not NoneType",
        ),
    ],
)
def test_what_is_no_target_is_invalid(source: str, reason: str) -> None:
    with pytest.raises(Failure) as raised:
        harness.built_model(harness.load_candidate(source), 10, 4)
    assert (raised.value.status, raised.value.reason) == ("invalid", reason)


def test_a_seed_fixes_every_generator() -> None:
    def draws() -> list[float]:
        harness.seed_everything(2**40 + 7, torch.get_num_threads())
        return [random.random(), float(np.random.rand()), float(torch.rand(()))]

    assert draws() == draws()
