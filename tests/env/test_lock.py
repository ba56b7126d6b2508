"""Landlock and seccomp: each alone, without bubblewrap."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from env import landlock, sandbox, seccomp, view
from env.sandbox import Sandbox

HEAD = """
import ctypes, errno, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)


def tried(what):
    try:
        what()
        print("done")
    except OSError as error:
        print(errno.errorcode[error.errno])


def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


"""


def run(code: str, confined: Sandbox, scratch: Path) -> list[str]:
    argv = [sys.executable, "-P", "-c", HEAD + code]
    done = subprocess.run(
        confined.wrap(argv, "cpu", 1 << 20, scratch=str(scratch)),
        capture_output=True,
        text=True,
        timeout=60,
        env=sandbox.environment("cpu", 1, str(scratch)),
        cwd=scratch,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def files() -> Sandbox:
    if landlock.version() == 0:
        pytest.skip("no Landlock here")
    return Sandbox(landlock=True)


@pytest.fixture
def calls() -> Sandbox:
    if not sandbox.detect("auto").seccomp:
        pytest.skip("no seccomp here")
    return Sandbox(seccomp=True)


def test_files_outside_cannot_be_touched(files: Sandbox, tmp_path: Path) -> None:
    secret, scratch = tmp_path / "secret", tmp_path / "scratch"
    secret.write_text("x")
    scratch.mkdir()
    (scratch / "link").symlink_to(secret)
    code = f"""
secret = {str(secret)!r}
tried(lambda: open(secret))
tried(lambda: open(secret, "w"))
tried(lambda: open("link"))
tried(lambda: os.listdir(os.path.dirname(secret)))
tried(lambda: os.unlink(secret))
tried(lambda: os.truncate(secret, 0))
tried(lambda: os.link("own", secret + "2") if open("own", "w") else None)
tried(lambda: open(os.__file__, "ab"))
tried(lambda: open("/proc/sys/kernel/core_pattern", "w"))
tried(lambda: open("/proc/{os.getpid()}/environ"))
tried(lambda: open("/dev/shm/file", "w"))
"""
    refused = run(code, files, scratch)
    assert set(refused) <= {"EACCES", "EXDEV", "EPERM"}, refused
    assert secret.read_text() == "x"


def test_what_a_trial_needs_is_there(files: Sandbox, tmp_path: Path) -> None:
    code = """
import numpy, subprocess, tempfile, threading
import env.clock
tempfile.TemporaryFile().write(b"x")
open("/dev/null", "w").write("x")
open("/proc/self/status").read()
subprocess.run(["/bin/true"], check=True)
threading.Thread(target=print, args=["thread"]).start()
"""
    assert run(code, files, tmp_path) == ["thread"]


def test_the_validation_text_is_hidden(files: Sandbox, tmp_path: Path) -> None:
    hidden = next(path for path in view.covered() if path.endswith("tests"))
    name = next(name for name in os.listdir(hidden) if name.endswith(".py"))
    code = f"""
import sympy.core.numbers
tried(lambda: open({os.path.join(hidden, name)!r}))
tried(lambda: open(sympy.core.numbers.__file__))
"""
    assert run(code, files, tmp_path) == ["EACCES", "done"]


def test_processes_outside_cannot_be_signalled(files: Sandbox, tmp_path: Path) -> None:
    if landlock.version() < 6:
        pytest.skip("this kernel's Landlock knows no signals")
    code = f"tried(lambda: os.kill({os.getpid()}, 0))\ntried(lambda: os.kill(os.getpid(), 0))"
    assert run(code, files, tmp_path) == ["EPERM", "done"]


def test_only_socket_pairs_can_be_made(calls: Sandbox, tmp_path: Path) -> None:
    code = """
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, 38, 40):
    tried(lambda: socket.socket(family, socket.SOCK_DGRAM))
tried(socket.socketpair)
"""
    assert run(code, calls, tmp_path) == [*["EACCES"] * 6, "done"]


@pytest.mark.skipif(not seccomp.supported(), reason="its calls are not known")
def test_refused_calls_fail_and_the_rest_works(calls: Sandbox, tmp_path: Path) -> None:
    arch = os.uname().machine
    column = list(seccomp._ARCHITECTURES).index(arch)
    numbers = [pair[column] for pair in seccomp._REFUSED.values() if pair[column] is not None]
    numbers += [pair[column] for pair in seccomp._MEMORY_FILES.values()]
    new_user = 0x10000000 | 17
    clone = seccomp._ARCHITECTURES[arch][2]
    code = f"""
for number in {numbers!r}:
    tried(lambda: call(number, 0, 0, 0, 0, 0, 0))
tried(lambda: call({clone}, {new_user}, 0, 0, 0, 0))
tried(lambda: call({seccomp._ARCHITECTURES[arch][3]}, 0, 0))
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert run(code, calls, tmp_path) == [*["EPERM"] * (len(numbers) + 1), "ENOSYS", "7"]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86_64 alone has two sets of numbers")
def test_the_other_set_of_numbers_is_closed(calls: Sandbox, tmp_path: Path) -> None:
    make_socket = 0x40000000 + 41
    code = f"tried(lambda: call({make_socket}, {int(socket.AF_INET)}, 1, 0))"
    assert run(code, calls, tmp_path) == ["ENOSYS"]


def test_a_lock_that_cannot_be_had_stops_the_command(tmp_path: Path) -> None:
    """Once chosen, a layer is never left out in silence."""
    rules = Sandbox(landlock=True).wrap(["/bin/echo", "ran"], "cpu", 1, scratch=str(tmp_path))
    broken = [part.replace("hidden=", "hiden=") for part in rules]
    assert broken != rules
    done = subprocess.run(broken, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
