import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from engine import devices
from engine.devices import (
    Cuda,
    DeviceError,
    choose_slots,
    device_node,
    unusable,
    usable_inside,
    works_inside,
)
from engine.executor import Slot
from engine.visible_gpus import visible_gpus
from env.sandbox import Sandbox

TWO = Cuda(("H200", "H200"), "13.0", "")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "nvidia_present", lambda: True)
    monkeypatch.setattr(devices, "probe_cuda", lambda: TWO)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "nvidia_present", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_a_machine_without_a_gpu_has_cpu_slots() -> None:
    (slot,) = choose_slots("auto", 1, None)
    assert (slot.device, slot.threads, slot.number) == ("cpu", 1, 0)
    two = choose_slots("cpu * 2", 3, None)
    assert [slot.number for slot in two] == [0, 1]
    assert two[0].memory_bytes == pytest.approx(slot.memory_bytes / 2, rel=0.01)
    assert choose_slots("cpu,cpu", 1, 2.0)[1].memory_bytes == 2 << 30
    with pytest.raises(DeviceError, match=r"no NVIDIA device.*--slots cpu"):
        choose_slots("cuda:0", 1, None)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("auto", ["cuda:0", "cuda:1"]),
        ("cuda", ["cuda:0", "cuda:1"]),
        ("cuda:1", ["cuda:1"]),
        ("cuda:1, cuda:0", ["cuda:1", "cuda:0"]),
        ("cpu*2", ["cpu", "cpu"]),
    ],
)
def test_gpus_are_slots(wanted: str, found: list[str]) -> None:
    assert [slot.device for slot in choose_slots(wanted, 1, None)] == found


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("", "names no slots"),
        ("gpu", "names no slots"),
        ("cpu*0", "names no slots"),
        ("cuda:0*2", "names no slots"),
        ("cuda:-1", "names no slots"),
        ("cuda:2", "There is no cuda:2 here; there is: cuda:0, cuda:1"),
        ("cuda:0,cuda:0", "one slot only"),
        ("cuda:0,cpu", "must be alike"),
    ],
)
def test_what_names_no_slots_is_refused(wanted: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        choose_slots(wanted, 1, None)


@pytest.mark.usefixtures("gpus")
def test_gpus_must_be_of_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "probe_cuda", lambda: Cuda(("H200", "A100"), "13.0", ""))
    with pytest.raises(DeviceError, match="one model"):
        choose_slots("auto", 1, None)
    assert len(choose_slots("cuda:1", 1, None)) == 1


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("cuda", "message"),
    [
        (Cuda((), None, "Torch not compiled with CUDA enabled"), "is a CPU build"),
        (Cuda((), "13.0", "driver too old"), r"cannot use \(driver too old\).*CUDA 13\.0"),
        (Cuda((), "13.0", ""), "no device"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_never_passed_over(
    monkeypatch: pytest.MonkeyPatch, cuda: Cuda, message: str
) -> None:
    monkeypatch.setattr(devices, "probe_cuda", lambda: cuda)
    for wanted in ("auto", "cuda:0"):
        with pytest.raises(DeviceError, match=message):
            choose_slots(wanted, 1, None)
    assert choose_slots("cpu", 1, None)[0].device == "cpu"
    assert unusable(TWO) is None


@pytest.mark.parametrize("stdout", ["", "junk\n", '{"torch": 1\n'])
def test_a_probe_that_says_nonsense_is_no_gpu(monkeypatch: pytest.MonkeyPatch, stdout: str) -> None:
    done = subprocess.CompletedProcess([], 0, stdout, "")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: done)
    found = devices.probe_cuda()
    assert found.names == ()
    assert "could not be tried" in found.error


def test_a_probe_that_hangs_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*args: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("python", 120)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "did not answer" in devices.probe_cuda().error


def test_the_model_of_a_cpu_is_known() -> None:
    assert devices.device_model(choose_slots("cpu", 1, None))


INFORMATION = """\
Model: \t\t NVIDIA H100 80GB HBM3
IRQ:   \t\t 152
GPU UUID: \t GPU-0a1b2c3d-0000-1111-2222-333344445555
Bus Location: \t 0000:3b:00.0
Device Minor: \t 6
"""


def test_the_device_file_of_a_gpu_is_found_by_its_bus(tmp_path: Path) -> None:
    (tmp_path / "0000:3b:00.0").mkdir()
    (tmp_path / "0000:3b:00.0" / "information").write_text(INFORMATION)
    (tmp_path / "0000:86:00.0").mkdir()
    (tmp_path / "0000:86:00.0" / "information").write_text("Model: \t H100\n")
    found = [device_node(bus, tmp_path) for bus in ("0000:3b:00.0", "0000:86:00.0", "", "0000:ff")]
    assert found == ["/dev/nvidia6", "", "", ""]


@pytest.mark.usefixtures("gpus")
def test_a_slot_knows_its_gpu_where_the_machine_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    told = replace(TWO, uuids=("GPU-a", "GPU-b"), nodes=("/dev/nvidia3", ""))
    monkeypatch.setattr(devices, "probe_cuda", lambda: told)
    slots = choose_slots("auto", 1, None)
    assert [(s.uuid, s.node) for s in slots] == [("GPU-a", "/dev/nvidia3"), ("", "")]


@pytest.mark.parametrize(
    ("works", "found"),
    [
        ({"/dev/nvidia3", ""}, ("GPU-a", "/dev/nvidia3")),
        ({""}, ("", "")),
        (set(), None),
    ],
)
def test_all_gpus_are_shown_where_one_alone_does_not_work(
    monkeypatch: pytest.MonkeyPatch, works: set[str], found: tuple[str, str] | None
) -> None:
    monkeypatch.setattr(devices, "works_inside", lambda slot, confined: slot.node in works)
    slot = Slot(0, "cuda:1", 1, 1, "GPU-a", "/dev/nvidia3")
    if found is None:
        with pytest.raises(DeviceError, match=r"cuda:1, but not in the sandbox"):
            usable_inside(slot, Sandbox())
    else:
        now = usable_inside(slot, Sandbox())
        assert (now.uuid, now.node) == found
    assert usable_inside(Slot(0, "cpu", 1, 1), Sandbox()).node == ""


def test_cuda_inside_is_tried_with_a_real_operation() -> None:
    """There is none here, or it works: either way the command has run to its end."""
    import torch

    slot = Slot(0, "cuda:0", 1, 1)
    assert works_inside(slot, Sandbox()) == torch.cuda.is_available()


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("2", [2]),
        ("2, 0", [2, 0]),
        ("GPU-bb", [1]),
        ("1,7,0", [1]),
        ("MIG-1", []),
    ],
)
def test_gpus_that_a_person_has_hidden_are_not_used(own: str | None, seen: list[int]) -> None:
    assert visible_gpus(["GPU-aa11", "GPU-bb22", "GPU-cc33"], own) == seen
