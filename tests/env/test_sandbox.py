from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from env import sandbox, view
from env.sandbox import SCRATCH, Sandbox, detect


@pytest.fixture
def fresh() -> Iterator[None]:
    """The probe forgets what it found, before the test and after it."""
    sandbox._working.cache_clear()
    yield
    sandbox._working.cache_clear()


def run(code: str, confined: Sandbox, device: str = "cpu", scratch: str = SCRATCH) -> str:
    argv = confined.wrap([sys.executable, "-P", "-c", code], device, 1 << 20, scratch=scratch)
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=60,
        env=sandbox.environment(device, 1, scratch),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def confined() -> Sandbox:
    found = detect("auto")
    if found.bwrap is None:
        pytest.skip("no bubblewrap here")
    return found


def test_off_means_off() -> None:
    off = detect("off")
    assert off.bwrap is None
    assert off.missing == ("bubblewrap", "Landlock", "seccomp")
    assert not set(off.missing) & set(off.layers)
    assert off.wrap(["a", "b"], "cpu", 1) == ["a", "b"]


@pytest.mark.usefixtures("fresh")
def test_without_bubblewrap_the_other_layers_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = detect("auto")
    assert found.bwrap is None
    assert "resource limits" in found.layers


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("script", ["exit 1", "no script"])
def test_a_bubblewrap_that_does_not_run_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n" if script != "no script" else "\0\1\2")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert detect("auto").bwrap is None


def test_the_environment_is_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "PYTHONPATH", "LD_PRELOAD", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    found = sandbox.environment("cpu", 3, "/scratch")
    assert "secret" not in found.values()
    assert found["LANG"] == "de_DE.UTF-8"
    assert (found["OMP_NUM_THREADS"], found["HOME"], found["TMPDIR"]) == ("3", *["/scratch"] * 2)
    assert found["CUDA_VISIBLE_DEVICES"] == ""
    assert found["OMP_WAIT_POLICY"] == "passive"  # or waiting threads would spend the `cpu` clock


@pytest.mark.parametrize(
    ("device", "visible", "wanted"),
    [
        ("cuda:1", None, "1"),
        ("cuda", None, "0"),
        ("cuda:1", "4,GPU-7", "GPU-7"),
        ("cpu", "0,1", ""),
    ],
)
def test_a_trial_sees_its_own_gpu_alone(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: str | None, wanted: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert sandbox.environment(device, 1)["CUDA_VISIBLE_DEVICES"] == wanted
    assert sandbox.device_inside(device) == ("cpu" if device == "cpu" else "cuda:0")


def test_what_is_inside(confined: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code = f"""
import os, numpy, env.clock
print(os.path.exists({str(tmp_path / "file")!r}), os.path.exists({__file__!r}))
import env, sys  # a checkout below /tmp is seen there, read-only
own = [p.split("/")[2] for p in (sys.prefix, env.__path__[0]) if p.startswith("/tmp/")]
seen = [name for name in os.listdir("/tmp") if name not in own]
print(seen, sorted(os.listdir("/dev/shm")), os.getcwd())
print(len([name for name in os.listdir("/proc") if name.isdigit()]) < 5)
"""
    assert run(code, confined).splitlines() == ["False False", "[] [] /tmp", "True"]


def test_memory_file_systems_are_bounded_and_the_rest_is_read_only(confined: Sandbox) -> None:
    code = """
import os
for folder in ("/", "/dev", "/usr", "/etc", "/proc", "/dev/shm", "/tmp"):
    path = os.path.join(folder, "file")
    try:
        with open(path, "wb") as file:
            file.write(b"x" * (2 << 20))
        print(folder, "written")
    except OSError as error:
        print(folder, error.errno)
"""
    no_room = "28"
    assert dict(line.split() for line in run(code, confined).splitlines()) == {
        "/": "30",
        "/dev": "30",
        "/usr": "30",
        "/etc": "30",
        "/proc": "2",
        "/dev/shm": no_room,
        "/tmp": no_room,
    }


def test_the_validation_text_is_covered_wherever_it_is(confined: Sandbox) -> None:
    code = """
import glob, os, sys, sympy
packages = [os.path.dirname(sympy.__file__)]
for root in (sys.base_prefix, "/usr", "/usr/local"):
    packages += glob.glob(root + "/lib/python3*/*-packages/sympy")
found = []
for package in packages:
    for folder, names, files in os.walk(package):
        found += [folder] if "tests" in folder.split("/") and files else []
print(found)
import sympy.core.numbers
"""
    assert run(code, confined) == "[]"


@pytest.mark.parametrize("locks", [True, False], ids=["all layers", "bubblewrap alone"])
def test_the_kernels_settings_cannot_be_changed(confined: Sandbox, locks: bool) -> None:
    code = """
import os
for folder, _, files in os.walk("/proc"):
    if not folder.startswith(("/proc/self", "/proc/thread-self", "/proc/1", "/proc/2", "/proc/3")):
        for name in files:
            try:
                os.close(os.open(os.path.join(folder, name), os.O_WRONLY))
                print(os.path.join(folder, name))
            except OSError:
                pass
"""
    chosen = confined if locks else Sandbox(confined.bwrap)
    # A new process's keyrings, timers and scheduling marks are its own.
    assert run(code, chosen).split() == []


@pytest.mark.parametrize("locks", [True, False], ids=["all layers", "bubblewrap alone"])
def test_no_network(confined: Sandbox, locks: bool) -> None:
    code = """
import socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    try:
        with socket.socket(socket.AF_INET, kind) as s:
            s.settimeout(1)
            s.connect(("192.0.2.1", 53))
            print("connected")
    except OSError as error:
        print(error.errno)
"""
    chosen = confined if locks else Sandbox(confined.bwrap)
    refused = errno.EACCES if locks and confined.seccomp else errno.ENETUNREACH
    assert run(code, chosen).split() == [str(refused)] * 2


def test_devices_are_for_gpu_slots_alone(confined: Sandbox) -> None:
    assert "/sys" not in confined.wrap(["x"], "cpu", 1)
    assert "/sys" in confined.wrap(["x"], "cuda:0", 1)
    looks = "import os; print(os.path.exists('/sys/devices'))"
    assert run(looks, confined, "cuda:0") == "True"
    assert run(looks, confined) == "False"


def test_only_the_slots_own_gpu_is_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia12", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(sandbox, "_GPU", f"{tmp_path}/nvidia[0-9]*")
    for bwrap in ("bwrap", None):
        box = Sandbox(bwrap, landlock=True)
        all_of_them, one, none = (
            " ".join(box.wrap(["x"], device, 1, node=node))
            for device, node in (("cuda:0", ""), ("cuda:0", f"{tmp_path}/nvidia1"), ("cpu", ""))
        )
        names = ("nvidia0", "nvidia1", "nvidia12")
        assert all(f"{tmp_path}/{name}" in all_of_them for name in names)
        assert [f"write={tmp_path}/{name}" in one.split() for name in names] == [False, True, False]
        assert "nvidia" not in none
        assert "/dev/nvidiactl" in one
    assert sandbox.environment("cuda:1", 1, uuid="GPU-a")["CUDA_VISIBLE_DEVICES"] == "GPU-a"


def test_the_interpreter_and_the_frozen_code_are_visible() -> None:
    roots = view.interpreter()
    for wanted in (sys.prefix, sys.base_prefix, str(Path(sandbox.__file__).parent)):
        path = os.path.realpath(wanted)
        assert any(view.inside(path, root) for root in (*roots, "/usr")), wanted
