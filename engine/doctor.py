"""Examines the machine: what a study needs, whether it is there, and what to do if not."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

from engine import devices
from engine.settings import Limits
from env import manifest, prepare, sandbox
from env.errors import DataError

_ROOM_GB = 5.0
_SANDBOX_ADVICE = {
    "bubblewrap": "Install bubblewrap (apt-get install bubblewrap) and allow user namespaces.",
    "Landlock": "Use Linux 5.13 or newer, with landlock among its `lsm=`.",
    "seccomp": "Use a kernel with seccomp filters, on x86_64 or aarch64.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    verdict: Literal["ok", "warn", "fail"]
    what: str
    advice: str = ""


def examine() -> list[Finding]:
    """Every finding, in a fixed order."""
    checks: list[Callable[[], Finding]] = [_python, _torch, _device, _sandbox, _disk, _data]
    return [check() for check in checks]


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} in {sys.prefix}")


def _torch() -> Finding:
    try:
        return Finding("torch", "ok", version("torch"))
    except PackageNotFoundError:
        return Finding("torch", "fail", "not installed", "Install it with pip install torch.")


def _device() -> Finding:
    cores, memory = psutil.cpu_count() or 1, psutil.virtual_memory().total / 2**30
    if not devices.nvidia_present():
        return Finding("device", "ok", f"CPU, {cores} cores, {memory:.0f} GiB; no NVIDIA device")
    cuda = devices.probe_cuda()
    problem = devices.unusable(cuda)
    if problem is not None:
        return Finding("device", "fail", "an NVIDIA device that torch cannot use", problem)
    return Finding("device", "ok", f"{', '.join(cuda.names)}; CUDA {cuda.toolkit}")


def _sandbox() -> Finding:
    found = sandbox.detect("auto")
    what = ", ".join(found.layers)
    if not found.missing:
        return Finding("sandbox", "ok", what)
    advice = " ".join(_SANDBOX_ADVICE[name] for name in found.missing)
    return Finding("sandbox", "warn", f"no {', no '.join(found.missing)}; only {what}", advice)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    least = Limits().min_disk_gb
    what = f"{free:.1f} GB free in {Path.cwd()}"
    if free < least:
        return Finding("disk", "fail", what, f"At least {least:g} GB must stay free.")
    if free < _ROOM_GB:
        return Finding("disk", "warn", what, "A long study wants more room.")
    return Finding("disk", "ok", what)


def _data() -> Finding:
    folders = sorted((prepare.default_cache() / "environments").glob("*/manifest.json"))
    if not folders:
        return Finding("data", "warn", "none prepared yet", "`arl-tui prepare` or a run will.")
    try:
        names = [manifest.load(folder.parent).name for folder in folders]
    except DataError as error:
        return Finding("data", "fail", str(error), "Then it is whole again.")
    return Finding("data", "ok", ", ".join(names))
