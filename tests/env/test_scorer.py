"""The scorer's refusals; tests/engine/test_local.py scores whole candidates."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from env.failure import Failure
from env.remote_model import RemoteModel, _memory
from env.scorer import check_weights


def test_good_weights_pass(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    tensors = {
        "a": torch.ones(3),
        "b": torch.ones(2, dtype=torch.bfloat16),
        "c": torch.ones(2, dtype=torch.int64),
        "d": torch.ones(2).to(torch.float8_e4m3fn),
    }
    save_file(tensors, path)
    check_weights(path, 1 << 20)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weights_must_be_finite(tmp_path: Path, value: float, kind: torch.dtype) -> None:
    path = tmp_path / "weights"
    good = torch.tensor([torch.finfo(kind).max, torch.finfo(kind).tiny, -0.0], dtype=kind)
    save_file({"good": good, "none": good[:0], "odd": torch.ones(1, dtype=torch.int8)}, path)
    check_weights(path, 1 << 20)
    save_file({"good": good, "bad": torch.tensor([1.0, value], dtype=kind)}, path)
    with pytest.raises(Failure, match=r"not finite \(bad\)") as raised:
        check_weights(path, 1 << 20)
    assert raised.value.status == "crash"


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"\x80\x04\x95pickle" * 10,
        b"\xff" * 100,
        (2**40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (70).to_bytes(8, "little")
        + json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}})
        .ljust(70)
        .encode(),
    ],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(Failure, match="no safetensors file") as raised:
        check_weights(path, 1 << 20)
    assert raised.value.status == "invalid"


def test_weights_must_be_there_and_not_too_large(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.touch()
    with pytest.raises(Failure, match="delivered no weights"):
        check_weights(path, 1 << 20)
    save_file({"a": torch.ones(1000)}, path)
    with pytest.raises(Failure, match=r"more than 0\.0 GiB"):
        check_weights(path, 100)


HEAD = """\
import json, os, signal, socket, sys, time
channel = socket.socket(fileno=int(sys.argv[1]))
order = json.loads(channel.makefile("rb").readline())
def say(text):
    channel.sendall(text.encode() + b"\\n")
"""


def remote(tmp_path: Path, code: str) -> RemoteModel:
    """A model process that is a small script."""
    (tmp_path / "weights").write_bytes(b"")
    argv = [sys.executable, "-S", "-c", HEAD + code, "{channel}", "{weights}", "{ids}", "{logits}"]
    order = {
        "source": "",
        "seed": 1,
        "device": "cpu",
        "threads": 1,
        "batch_rows": 2,
        "seq_len": 3,
        "vocab_size": 4,
        "weights": str(tmp_path / "weights"),
        "models": [{"argv": argv, "env": {}, "cwd": "/"}],
        "model_rlimits": {"core": 0},
    }
    return RemoteModel(order, 0)


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("", "crash", "ended while it was being scored"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crash", "ended while it was being scored"),
        ("say('junk'); time.sleep(60)", "crash", "ended while it was being scored"),
        ("say('[' * 50000); time.sleep(60)", "crash", "ended while it was being scored"),
        ("say('x' * 200000); time.sleep(60)", "crash", "ended while it was being scored"),
        ('say(\'{"type": "scored"}\'); time.sleep(60)', "crash", "broke the protocol"),
        (
            'say(\'{"type": "failed", "status": "oom", "reason": "much"}\')',
            "oom",
            "while being scored: much",
        ),
        ('say(\'{"type": "failed", "status": "keep"}\')', "crash", "broke the protocol"),
    ],
)
def test_a_model_process_that_fails(tmp_path: Path, code: str, status: str, reason: str) -> None:
    model = remote(tmp_path, code)
    try:
        with pytest.raises(Failure, match=reason) as raised:
            model.wait_until_built()
        assert raised.value.status == status
    finally:
        model.close()


def test_logits_are_a_copy_that_must_be_finite(tmp_path: Path) -> None:
    code = """
import mmap, struct
ids, logits = mmap.mmap(int(sys.argv[3]), 48), mmap.mmap(int(sys.argv[4]), 96)
say('{"type": "built"}')
lines = channel.makefile("rb")
for value in (1.5, float("nan")):
    rows = json.loads(channel.recv(1000))["rows"]
    seen = struct.unpack_from("6q", ids)
    logits[:] = struct.pack("24f", *[value + seen[0]] * 24)
    say('{"type": "logits"}')
    logits[:] = struct.pack("24f", *[value + seen[0]] * 24)
time.sleep(60)
"""
    model = remote(tmp_path, code)
    try:
        model.wait_until_built()
        ids = torch.tensor([[7, 1, 2]]).numpy()
        logits = model.logits(ids)
        assert logits.shape == (1, 3, 4)
        assert bool((logits == 8.5).all())
        with pytest.raises(Failure, match="not finite"):
            model.logits(ids)
        assert bool((logits == 8.5).all())
    finally:
        model.close()


def test_nobody_can_shrink_the_shared_memory() -> None:
    number, memory = _memory("test", 1000)
    try:
        for size in (0, 10_000):
            with pytest.raises(PermissionError):
                os.ftruncate(number, size)
        memory[:] = b"x" * 1000
    finally:
        memory.close()
        os.close(number)


def test_it_is_ended_with_its_scorer(tmp_path: Path) -> None:
    model = remote(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    model.close()
    assert model._child.returncode == -signal.SIGKILL


def test_the_scorer_starts_the_model_before_it_imports_numpy_and_torch_never() -> None:
    code = """
import env.scorer, sys
print('numpy' in sys.modules)
import env.audit, env.bpb, env.shards, safetensors
print('torch' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]
