"""What a command target can reach, in the real sandbox: with all layers and with Landlock alone."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from env import interpreters, landlock, sandbox
from env.access import Access
from env.command_environment import command_environment
from env.sandbox import Sandbox

HEAD = """
import errno, os, socket, sys


def tried(what):
    try:
        what()
        print("done")
    except OSError as error:
        print(errno.errorcode[error.errno])


"""


@dataclass
class Project:
    """A person's project below a made-up home, a work copy of it, and a way to run in it."""

    home: Path
    access: Access
    scratch: Path

    @property
    def folder(self) -> Path:
        return self.home / "proj"

    @property
    def copy(self) -> Path:
        return Path(self.access.folder)

    def run(self, command: str, box: Sandbox, *, path: str = "", **changes: object) -> list[str]:
        """The words that a shell command prints; it must end well."""
        access = replace(self.access, **changes)  # type: ignore[arg-type]
        shell = ["/bin/sh", "-c", command]
        search = path or os.environ["PATH"]
        access = replace(
            access, read=(*access.read, *interpreters.prefixes(command, search, access.work))
        )
        argv = box.wrap_command(shell, "cpu", 1 << 22, access, scratch=str(self.scratch))
        scratch = sandbox.SCRATCH if box.bwrap else str(self.scratch)
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/" if box.bwrap else access.folder,
            env=command_environment(
                "cpu",
                1,
                home=str(self.home),
                scratch=scratch,
                uuid="",
                set_={"PATH": search},
                passed=(),
            ),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def python(self, code: str, box: Sandbox, **changes: object) -> list[str]:
        """The words that a script of the project prints."""
        (self.copy / "try.py").write_text(HEAD + code)
        return self.run(f"{sys.executable} try.py", box, **changes)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    home = tmp_path / "home"
    folder, copy = home / "proj", home / "proj/.arl/studies/a/copy"
    scratch = tmp_path / "scratch"
    for path in (copy, folder / "data", copy / "data", home / ".ssh", home / "cache", scratch):
        path.mkdir(parents=True)
    (home / ".ssh/id").write_text("secret")
    (folder / "data/big").write_text("big\n")
    for path in (folder, copy):
        (path / "prepare.py").write_text("frozen = True\n")
        (path / "train.py").write_text(f"print({path is copy})\n")
        (path / "env.py").write_text("ours = False\n")  # a name that we have, too
    shared = (str(folder / "data"), str(folder / "prepare.py"))
    access = Access(work=str(folder), folder=str(copy), shared=shared, home=str(home))
    return Project(home, access, scratch)


@pytest.fixture(params=["all layers", "bubblewrap alone"])
def walled(request: pytest.FixtureRequest) -> Sandbox:
    found = sandbox.detect("auto")
    if found.bwrap is None:
        pytest.skip("no bubblewrap here")
    return found if request.param == "all layers" else Sandbox(found.bwrap)


@pytest.fixture
def locked() -> Sandbox:
    """Landlock and seccomp, without bubblewrap."""
    if landlock.version() == 0:
        pytest.skip("no Landlock here")
    return Sandbox(None, landlock=True, seccomp=sandbox.detect("auto").seccomp)


def test_a_command_sees_its_copy_at_the_projects_place(project: Project, walled: Sandbox) -> None:
    said = project.run("pwd; cat train.py; cat data/big; ls -A | sort", walled)
    listed = ["data", "env.py", "prepare.py", "train.py"]
    assert said == [str(project.folder), "print(True)", "big", *listed]


def test_what_it_writes_stays_in_the_copy(project: Project, walled: Sandbox) -> None:
    code = f"""
open("new", "w").write("x")
open({str(project.folder / "train.py")!r}, "w").write("x")
tried(lambda: open("prepare.py", "w"))
tried(lambda: os.remove("prepare.py"))
tried(lambda: os.rename("prepare.py", "other.py"))
tried(lambda: open("data/more", "w"))
tried(lambda: open("/usr/file", "w"))
tried(lambda: open("/file", "w"))
"""
    said = project.python(code, walled)
    assert said == ["EROFS", "EBUSY", "EBUSY", "EROFS", "EROFS", "EROFS"]
    assert (project.copy / "new").read_text() == (project.copy / "train.py").read_text() == "x"
    assert not (project.folder / "new").exists()
    assert (project.folder / "train.py").read_text() == "print(False)\n"
    assert (project.folder / "prepare.py").read_text() == "frozen = True\n"


def test_home_is_a_new_folder(project: Project, walled: Sandbox) -> None:
    code = """
home = os.path.expanduser("~")
print(os.listdir(home))
open(os.path.join(home, ".state"), "w").write("x")
tried(lambda: open(os.path.join(home, ".ssh/id")))
"""
    assert project.python(code, walled) == ["['proj']", "ENOENT"]
    assert sorted(os.listdir(project.home)) == [".ssh", "cache", "proj"]


def test_other_studies_and_outside_files_are_out_of_sight(
    project: Project, walled: Sandbox
) -> None:
    outside = project.home.parent / "file"
    outside.write_text("x")
    code = f"""
for path in (".arl", {str(outside)!r}, {str(project.scratch)!r}, "/etc/shadow"):
    print(os.path.exists(path))
print(os.listdir("/dev/shm"), len([n for n in os.listdir("/proc") if n.isdigit()]) < 6)
"""
    assert project.python(code, walled) == [*["False"] * 4, "[]", "True"]


def test_paths_that_are_listed(project: Project, walled: Sandbox) -> None:
    cache = project.home / "cache"
    (cache / "models").mkdir()
    (cache / "models/a").write_text("weights")
    (project.home / "link").symlink_to("cache/models")
    code = f"""
os.chdir({str(cache)!r})
open("made", "w").write("x")
print(open({str(project.home / "link/a")!r}).read())
tried(lambda: open("models/b", "w"))
"""
    listed = {
        "write": (str(cache), "/missing"),
        "read": (str(cache / "models"), str(project.home / "link"), "/missing/too"),
    }
    assert project.python(code, walled, **listed) == ["weights", "EROFS"]
    assert (cache / "made").read_text() == "x"


def test_a_virtual_environment_below_home(project: Project, walled: Sandbox) -> None:
    environment = project.home / "envs/mine"
    venv.create(environment, symlinks=True, with_pip=False)
    packages = next(environment.glob("lib/python3*/site-packages"))
    (packages / "theirs.py").write_text("here = True\n")
    said = project.run(
        'python -c "import env, sys, theirs; print(sys.prefix, theirs.here, env.ours)"',
        walled,
        path=f"{environment}/bin:/usr/bin:/bin",
    )
    assert said == [str(environment), "True", "False"]


def test_nothing_of_ours_is_on_the_path_of_a_script(project: Project, walled: Sandbox) -> None:
    (project.copy / "env.py").unlink()
    environment = project.home / "proj/.venv"
    venv.create(environment, symlinks=True, with_pip=False)
    (project.copy / ".venv").mkdir()
    (project.copy / "look.py").write_text(
        "from importlib.util import find_spec\n"
        "print([name for name in ('env', 'engine', 'torch') if find_spec(name)])\n"
    )
    shared = (str(environment),)
    assert project.run(".venv/bin/python look.py", walled, shared=shared) == ["[]"]


def test_the_network_is_shut_and_a_command_can_talk_to_itself(
    project: Project, walled: Sandbox
) -> None:
    code = """
import multiprocessing, threading
with socket.create_server(("127.0.0.1", 0)) as server:
    with socket.create_connection(server.getsockname()) as client:
        print("itself")
with socket.socket() as outside:
    outside.settimeout(5)
    tried(lambda: outside.connect(("192.0.2.1", 80)))
tried(lambda: socket.socket(socket.AF_UNIX).bind("/tmp/socket"))
os.close(os.memfd_create("x"))
multiprocessing.get_context("fork").Queue().put(1)
"""
    assert project.python(code, walled) == ["itself", "ENETUNREACH", "done"]


@pytest.mark.parametrize("asked", [True, False])
def test_a_server_of_the_host_is_reached_when_asked_for(
    project: Project, walled: Sandbox, asked: bool
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"""
tried(lambda: socket.create_connection({server.getsockname()!r}, timeout=20).close())
print(os.path.exists("/etc/resolv.conf"))
"""
        said = project.python(code, walled, network=asked)
    resolves = os.path.exists("/etc/resolv.conf")
    assert said[0] == ("done" if asked else "ECONNREFUSED")
    assert said[1] == str(resolves and asked)


def test_folders_in_memory_are_bounded(project: Project, walled: Sandbox) -> None:
    code = """
for folder in ("/tmp", "/dev/shm", os.path.expanduser("~")):
    tried(lambda: open(os.path.join(folder, "file"), "wb").write(b"x" * (5 << 20)))
"""
    assert project.python(code, walled) == ["ENOSPC"] * 3


@pytest.mark.parametrize("place", ["/root/made-up/proj", "/opt/made-up", "/usr/src"])
def test_a_project_may_lie_anywhere(project: Project, walled: Sandbox, place: str) -> None:
    access = {"work": place, "shared": (), "home": os.path.dirname(place)}
    if place.startswith("/usr"):
        access["home"] = "/nonexistent"
    assert project.run("pwd; cat train.py", walled, **access) == [place, "print(True)"]


# -- Landlock alone ----------------------------------------------------------------------------


def test_without_bubblewrap_the_copy_is_where_it_runs(project: Project, locked: Sandbox) -> None:
    (project.copy / "linked").symlink_to(project.folder / "data")
    code = f"""
project = {str(project.folder)!r}
print(os.path.samefile(".", os.path.join(project, ".arl/studies/a/copy")))
open("new", "w").write("x")
print(open(os.path.join(project, "train.py")).read().strip(), open("linked/big").read().strip())
tried(lambda: open(os.path.join(project, "train.py"), "w"))
tried(lambda: open("linked/more", "w"))
tried(lambda: open(os.path.join({str(project.home)!r}, ".ssh/id")))
tried(lambda: os.listdir({str(project.home)!r}))
tried(lambda: open("/tmp/made-up", "w"))
open(os.path.join(os.environ["TMPDIR"], "file"), "w").write("x")
"""
    said = project.python(code, locked)
    assert said == ["True", "print(False)", "big", *["EACCES"] * 5]
    assert (project.copy / "new").exists()


def test_without_bubblewrap_what_is_listed_can_be_reached(
    project: Project, locked: Sandbox
) -> None:
    cache, data = project.home / "cache", project.home.parent / "data"
    data.mkdir()
    (data / "file").write_text("tokens")
    environment = project.home / "envs/mine"
    venv.create(environment, symlinks=True, with_pip=False)
    code = f"""
print(open({str(data / "file")!r}).read(), sys.prefix)
tried(lambda: open({str(data / "new")!r}, "w"))
open({str(cache / "tool")!r}, "w").write("#!/bin/sh\\nexec echo ran")
os.chmod({str(cache / "tool")!r}, 0o755)
sys.stdout.flush()
os.execv({str(cache / "tool")!r}, ["tool"])
"""
    (project.copy / "try.py").write_text(HEAD + code)
    listed = {"read": (str(data),), "write": (str(cache),)}
    path = f"{environment}/bin:/usr/bin:/bin"
    said = project.run("python try.py", locked, path=path, **listed)
    assert said == ["tokens", str(environment), "EACCES", "ran"]


@pytest.mark.parametrize("asked", [True, False])
def test_without_bubblewrap_the_locks_hold_the_network(
    project: Project, locked: Sandbox, asked: bool
) -> None:
    if not locked.seccomp:
        pytest.skip("no seccomp here")
    code = """
tried(lambda: socket.create_server(("127.0.0.1", 0)))
tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
tried(lambda: socket.socket(socket.AF_UNIX))
"""
    wanted = ["done" if asked else "EACCES"] * 3
    assert project.python(code, locked, network=asked) == wanted


def test_without_bubblewrap_children_know_themselves_and_share_memory(
    project: Project, locked: Sandbox
) -> None:
    code = f"""
import multiprocessing
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
child = context.Process(target=lambda: queue.put(open("/proc/self/status").readline().split()[0]))
child.start()
print(queue.get())
child.join()
tried(lambda: open("/proc/{os.getpid()}/environ"))
tried(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
"""
    assert project.python(code, locked) == ["Name:", "EACCES", "EACCES"]


def test_without_any_layer_it_is_the_command_itself(project: Project) -> None:
    plain = Sandbox().wrap_command(["/bin/true"], "cpu", 1, project.access, scratch="/tmp")
    assert plain == ["/bin/true"]
