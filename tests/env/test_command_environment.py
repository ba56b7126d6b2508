"""Which of a person's variables a command target gets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from env.command_environment import command_environment


def environment(
    device: str = "cpu",
    threads: int = 3,
    uuid: str = "",
    set_: Mapping[str, str] | None = None,
    passed: tuple[str, ...] = (),
) -> dict[str, str]:
    return command_environment(
        device, threads, home="/home/u", scratch="/tmp", uuid=uuid, set_=set_ or {}, passed=passed
    )


def test_a_command_gets_its_tools_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = {
        "PATH": "/home/u/bin:/usr/bin",
        "LC_ALL": "C.UTF-8",
        "VIRTUAL_ENV": "/home/u/venv",
        "CONDA_PREFIX": "/home/u/conda",
        "PYENV_ROOT": "/home/u/.pyenv",
        "UV_CACHE_DIR": "/home/u/uv",
        "UV_INDEX_URL": "https://index.example/simple",
        "HF_HOME": "/home/u/hf",
        "XDG_CACHE_HOME": "/home/u/c",
        "LD_LIBRARY_PATH": "/opt/lib",
        "NCCL_DEBUG": "INFO",
    }
    kept_back = {
        "HF_TOKEN": "a",
        "UV_PUBLISH_PASSWORD": "a",
        "UV_EXTRA_INDEX_URL": "https://name:word@index.example/simple",
        "CONDA_API_KEY": "a",
        "AWS_SECRET_ACCESS_KEY": "a",
        "PYTHONPATH": "/ours",
        "PYTHONHOME": "/ours",
        "LD_PRELOAD": "x.so",
        "SSH_AUTH_SOCK": "/run/x",
        "EDITOR": "vi",
    }
    for name, value in (passed | kept_back).items():
        monkeypatch.setenv(name, value)
    found = environment()
    assert passed.items() <= found.items()
    assert not kept_back.keys() & found.keys()
    assert (found["HOME"], found["TMPDIR"], found["PYTHONUNBUFFERED"]) == ("/home/u", "/tmp", "1")
    assert (found["OMP_NUM_THREADS"], found["CUDA_VISIBLE_DEVICES"]) == ("3", "")


def test_alone_a_command_has_the_threads_that_its_person_gave_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    found = environment(threads=0)
    assert (found["OMP_NUM_THREADS"], found.get("MKL_NUM_THREADS")) == ("5", None)
    assert environment(threads=2)["OMP_NUM_THREADS"] == "2"


def test_what_is_named_is_passed_on_and_what_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "token")
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.delenv("NOT_THERE", raising=False)
    chosen = {"OMP_NUM_THREADS": "1", "HOME": "/x", "MODE": "fast", "PATH": "/y"}
    found = environment(passed=("HF_TOKEN", "PATH", "NOT_THERE"), set_=chosen)
    assert found["HF_TOKEN"] == "token"
    assert "NOT_THERE" not in found
    assert chosen.items() <= found.items()
    assert found["MKL_NUM_THREADS"] == "3"


def test_a_command_sees_its_slots_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    monkeypatch.setenv("CUDA_HOME", "/usr/local/cuda")
    found = environment("cuda:1")
    assert (found["CUDA_VISIBLE_DEVICES"], found["CUDA_HOME"]) == ("5", "/usr/local/cuda")
    assert environment("cuda:1", uuid="GPU-a")["CUDA_VISIBLE_DEVICES"] == "GPU-a"
