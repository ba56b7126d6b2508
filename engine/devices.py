"""Devices and slots: what this machine has, and how it is divided among experiments."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import psutil

from engine.executor import Slot
from engine.visible_gpus import visible_gpus
from env import sandbox
from env.sandbox import Sandbox

_MEMORY_SHARE = 0.8  # of the machine's memory, for all slots together
_PROBE_SECONDS = 120.0
_DRIVER = "the driver's"  # in place of the CUDA version of a torch

# Runs in a process of its own: CUDA must not be touched in the engine, and may hang.
_PROBE = """
import json, torch
found = {"cuda": torch.version.cuda, "names": [], "uuids": [], "buses": [], "error": ""}
try:
    for index in range(torch.cuda.device_count()):
        torch.ones(8, device=f"cuda:{index}").sum().item()
        about = torch.cuda.get_device_properties(index)
        bus = [getattr(about, f"pci_{part}_id", -1) for part in ("domain", "bus", "device")]
        found["names"].append(about.name)
        found["uuids"].append(f"GPU-{getattr(about, 'uuid', '')}")
        found["buses"].append("" if -1 in bus else "{:04x}:{:02x}:{:02x}.0".format(*bus))
    if not found["names"]:
        torch.zeros(1, device="cuda")
except Exception as error:
    found["error"] = str(error).strip().splitlines()[0]
print(json.dumps(found))
"""


class DeviceError(Exception):
    """A device that is not there or cannot be used; the sentence says what to do."""


@dataclass(frozen=True)
class Cuda:
    """What torch says of the machine's NVIDIA devices."""

    names: tuple[str, ...]
    toolkit: str | None  # the CUDA version that torch was built with; None for a CPU build
    error: str
    uuids: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()  # the device file of each, or ""


def nvidia_present() -> bool:
    """Whether the machine has an NVIDIA device, whatever torch can do with it."""
    return bool(glob.glob("/proc/driver/nvidia/gpus/*") or glob.glob("/dev/nvidia[0-9]*"))


def probe_cuda() -> Cuda:
    """Try every CUDA device with a real operation, in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return Cuda((), "unknown", f"CUDA did not answer within {_PROBE_SECONDS:g} s")
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        return Cuda((), "unknown", f"torch could not be tried ({error})")
    nodes = tuple(device_node(bus) for bus in found["buses"])
    names, uuids = tuple(found["names"]), tuple(found["uuids"])
    return Cuda(names, found["cuda"], found["error"], uuids, nodes)


def device_node(bus: str, driver: Path = Path("/proc/driver/nvidia/gpus")) -> str:
    """The device file of the GPU on a PCI bus such as "0000:3b:00.0"; "" where it is not known.

    A part of a GPU (MIG) has no file of its own: then all stay visible.
    """
    try:
        text = (driver / bus / "information").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"^Device Minor:\s*(\d+)\s*$", text, re.MULTILINE)
    return f"/dev/nvidia{found[1]}" if bus and found else ""


def unusable(cuda: Cuda) -> str | None:
    """Why a present NVIDIA device cannot be used and what to get, or None when it can."""
    if cuda.names and not cuda.error:
        return None
    if cuda.toolkit == _DRIVER:
        return (
            f"This machine has an NVIDIA GPU that cannot be used ({cuda.error or 'no device'}): "
            "check it with nvidia-smi, or run on the CPU with --slots cpu."
        )
    if cuda.toolkit is None:
        return (
            f"This machine has an NVIDIA GPU, but torch {version('torch')} is a CPU build: install "
            "the CUDA wheel of that version with pip, or run on the CPU with --slots cpu."
        )
    return (
        f"This machine has an NVIDIA GPU that torch cannot use ({cuda.error or 'no device'}): "
        f"install a driver for CUDA {cuda.toolkit} or newer, or run on the CPU with --slots cpu."
    )


def probe_nvml() -> Cuda:
    """What the driver says of the NVIDIA devices: all that matters to a torch that is not ours."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        names = tuple(_text(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
        uuids = tuple(_text(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles)
        buses = [_text(pynvml.nvmlDeviceGetPciInfo(handle).busId) for handle in handles]
    except pynvml.NVMLError as error:
        return Cuda((), _DRIVER, str(error))
    # NVML writes eight digits of the domain, the folders in /proc have four, in small letters.
    nodes = tuple(device_node(bus.lower()[-12:]) for bus in buses)
    own = os.environ.get("CUDA_VISIBLE_DEVICES")
    seen = visible_gpus(uuids, own)
    hidden = "" if seen else f"CUDA_VISIBLE_DEVICES = {own!r} names none of its devices"
    found = (tuple(values[number] for number in seen) for values in (names, uuids, nodes))
    own_names, own_uuids, own_nodes = found
    return Cuda(own_names, _DRIVER, hidden, own_uuids, own_nodes)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def choose_slots(
    wanted: str, threads: int, memory_gb: float | None, *, with_torch: bool = True
) -> tuple[Slot, ...]:
    """The slots for a specification such as `auto`, `cpu*2` or `cuda:0,cuda:1`.

    Raises DeviceError for a device that is not there; an NVIDIA device that torch cannot use is
    never passed over in silence. `with_torch=False` asks the driver alone: trials have their own.
    """
    names, cuda = _names(wanted, with_torch)
    if memory_gb is None:
        memory = int(machine_memory() * _MEMORY_SHARE / len(names))
    else:
        memory = int(memory_gb * 2**30)
    slots = tuple(Slot(number, name, threads, memory) for number, name in enumerate(names))
    return slots if cuda is None else tuple(_alone(slot, cuda) for slot in slots)


def works_inside(slot: Slot, confined: Sandbox) -> bool:
    """Whether CUDA works in the sandbox of a GPU slot, tried with a real operation."""
    code = "import torch; torch.ones(8, device='cuda:0').sum().item()"
    argv = [sys.executable, "-P", "-c", code]
    environment = sandbox.environment(slot.device, 1, uuid=slot.uuid)
    try:
        done = subprocess.run(
            confined.wrap(argv, slot.device, 1 << 28, node=slot.node),
            env=environment,
            cwd="/",
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def usable_inside(slot: Slot, confined: Sandbox) -> Slot:
    """The slot as it works in the sandbox: with its own GPU alone, or else with all in sight.

    Raises DeviceError when CUDA does not work there at all.
    """
    if slot.device == "cpu" or works_inside(slot, confined):
        return slot
    open_slot = replace(slot, uuid="", node="")
    if slot.node and works_inside(open_slot, confined):
        return open_slot
    raise DeviceError(
        f"CUDA works on {slot.device}, but not in the sandbox: see `arl-tui doctor`, or run "
        'unconfined with sandbox = "off" in arl.toml.'
    )


def device_model(slots: tuple[Slot, ...], *, with_torch: bool = True) -> str:
    """The model of the slots' device: part of what makes scores comparable."""
    if slots[0].device == "cpu":
        return cpu_model()
    cuda = probe_cuda() if with_torch else probe_nvml()
    return cuda.names[int(slots[0].device.partition(":")[2])]


def _alone(slot: Slot, cuda: Cuda) -> Slot:
    """A GPU slot that knows its device file, where the machine tells."""
    index = int(slot.device.partition(":")[2])
    if not (len(cuda.nodes) > index and cuda.nodes[index]):
        return slot
    return replace(slot, uuid=cuda.uuids[index], node=cuda.nodes[index])


def _names(wanted: str, with_torch: bool) -> tuple[list[str], Cuda | None]:
    """The devices of the slots; what torch says of them, if they are GPUs."""
    text = wanted.replace(" ", "")
    if text == "auto":
        if not nvidia_present():
            return ["cpu"], None
        text = "cuda"
    names: list[str] = []
    for part in text.split(","):
        match = re.fullmatch(r"(cpu|cuda(?::\d+)?)(?:\*(\d+))?", part)
        if match is None or match[2] == "0" or (match[2] and match[1] != "cpu"):
            raise DeviceError(
                f"{wanted!r} names no slots: write cpu, cpu*2, cuda:0, cuda:0,cuda:1 or auto."
            )
        names += [match[1]] * int(match[2] or 1)
    if "cpu" in names and len(set(names)) > 1:
        raise DeviceError("Slots must be alike: scores of a CPU and a GPU cannot be compared.")
    return (names, None) if names[0] == "cpu" else _cuda_names(names, with_torch)


def _cuda_names(names: list[str], with_torch: bool) -> tuple[list[str], Cuda]:
    if not nvidia_present():
        raise DeviceError(
            f"There is no NVIDIA device for {', '.join(names)} here: check the driver with "
            "nvidia-smi, or run on the CPU with --slots cpu."
        )
    cuda = probe_cuda() if with_torch else probe_nvml()
    problem = unusable(cuda)
    if problem is not None:
        raise DeviceError(problem)
    present = [f"cuda:{index}" for index in range(len(cuda.names))]
    if names == ["cuda"]:
        names = present
    for name in names:
        if name not in present:
            raise DeviceError(f"There is no {name} here; there is: {', '.join(present)}.")
    if len(set(names)) < len(names):
        raise DeviceError("A GPU can be one slot only: two trials on it would share its time.")
    if len({cuda.names[int(name.partition(":")[2])] for name in names}) > 1:
        raise DeviceError("The GPUs of a study must be of one model, or scores cannot be compared.")
    return names, cuda


def cpu_model() -> str:
    """The name of this machine's processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^(?:model name|Model|CPU part)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else "CPU"


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def memory_free() -> int:
    """Bytes of memory that can still be had: the machine's, or what its control group leaves."""
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
        found = re.search(
            r"^inactive_file (\d+)$", (group / "memory.stat").read_text(), re.MULTILINE
        )
    except (OSError, ValueError):
        return free
    if not limit.isdigit():
        return free
    return min(free, max(0, int(limit) - used + (int(found[1]) if found else 0)))
