import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from env import confine, processes

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def in_a_child(code: str) -> str:
    """What `code` prints, run in a process of its own that may reap whatever it likes."""
    head = "import os, sys, time, subprocess\nfrom env import confine, processes\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", head + code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_process_is_known_by_its_start(child: subprocess.Popen[bytes]) -> None:
    started = processes.start_time(child.pid)
    assert started is not None
    assert processes.start_time(child.pid) == started
    assert processes.stat(child.pid).parent == os.getpid()  # type: ignore[union-attr]
    assert not processes.is_zombie(child.pid)
    child.kill()
    while not processes.is_zombie(child.pid):
        time.sleep(0.01)
    assert child.pid not in processes.descendants(os.getpid())
    assert child.pid in processes.tree(os.getpid())
    child.wait()
    assert processes.start_time(child.pid) is None
    assert len(processes.boot_id()) == 36


def test_a_name_with_brackets_is_read(tmp_path: os.PathLike[str]) -> None:
    program = os.path.join(tmp_path, ") S 1 (")
    os.symlink("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        found = processes.stat(process.pid)
        assert found is not None
        assert (found.parent, found.alive) == (os.getpid(), True)
        process.kill()


def test_everything_below_is_ended_and_counted() -> None:
    code = """
confine.become_subreaper()
for _ in range(3):
    if not os.fork():
        os.setsid()
        for _ in range(2):
            if not os.fork():
                end = time.process_time() + 0.2
                while time.process_time() < end:
                    pass
                time.sleep(60)
        os._exit(0)
while sum(p.own_seconds for p in processes.tree(os.getpid()).values()) < 1.1:
    time.sleep(0.05)
ended = processes.end_all()
print(len(ended), sum(e.cpu_seconds for e in ended) > 1.0, len(processes.tree(os.getpid())))
"""
    assert in_a_child(code) in ("6 True 0", "9 True 0")


def test_memory_is_read_closely(child: subprocess.Popen[bytes]) -> None:
    while (found := processes.stat(child.pid)) is None or found.memory_bytes < 1 << 20:
        time.sleep(0.01)
    exact = processes.private_memory([child.pid, 2**22 + 1])
    assert exact is not None
    assert 0 < exact <= found.memory_bytes + (8 << 20)
    assert processes.private_memory([child.pid], seconds=-1) == 0


def test_limits_hold_in_the_child() -> None:
    code = """
confine.confine({"core": 0, "nofile": 64, "fsize": 1 << 20})
import resource
print(resource.getrlimit(resource.RLIMIT_NOFILE), open("/proc/self/oom_score_adj").read().strip())
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")])
try:
    open("/dev/shm/arl-test-" + str(os.getpid()), "wb").write(b"x" * (2 << 20))
except OSError as error:
    print(error.strerror)
os.unlink("/dev/shm/arl-test-" + str(os.getpid()))
"""
    assert in_a_child(code).splitlines() == ["(64, 64) 1000", "['1']", "File too large"]


def test_a_limit_never_rises() -> None:
    code = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
confine.confine({"nofile": 4096})
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert in_a_child(code) == "(50, 50)"


def test_an_impossible_request_is_an_error() -> None:
    with pytest.raises(OSError, match="was refused"):
        confine._prctl(0x7FFF, 1)
