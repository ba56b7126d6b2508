"""What viewers see of a running engine, and how the slots' time is counted."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import pytest

from engine.curve import LossCurve
from engine.duty import DutyClock
from engine.executor import CurvePoint, Slot
from engine.publisher import Publisher
from engine.telemetry import DeviceSampler
from engine.timing import Split
from state.errors import StoreFull
from state.folder import StudyFolder
from state.lock import EngineLock
from state.present import DeviceSample
from state.records import NewEpoch, NewExperiment, NewStudy
from state.store import Store
from state.watch import Watcher

pytestmark = pytest.mark.anyio

CPU = Slot(0, "cpu", 1, 1 << 30)
STUDY = NewStudy(name="s", seed=1, target_name="train.py", policy="local")
EPOCH = NewEpoch(
    environment_digest="e", budget=5, clock="steps", device_model="CPU", torch_version="2"
)


def sample() -> list[DeviceSample]:
    return [DeviceSample(at="2026-11-25T22:00:00.000000Z", device="cpu", utilisation=0.5)]


async def until(condition: Callable[[], Any]) -> Any:
    with anyio.fail_after(10):
        while not (found := condition()):  # noqa: ASYNC110
            await anyio.sleep(0.01)
    return found


async def test_viewers_see_what_runs_and_no_more_when_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.publisher.PUBLISH_SECONDS", 0.01)
    folder = StudyFolder(tmp_path / "s")
    async with Store.create(folder, STUDY) as store, anyio.create_task_group() as tasks:
        await store.add_epoch(EPOCH)
        await store.enqueue(NewExperiment(kind="baseline", source="A", seed=1), operation=None)
        await store.start(0, slot=0, device="cpu")
        publisher = Publisher(store, [CPU], sample)
        tasks.start_soon(publisher.run)
        with EngineLock(folder.lock), Watcher(folder) as watcher:
            publisher.phase(0, CPU, "starting")
            (live,) = await until(watcher.live)
            assert (live.phase, live.step, live.loss) == ("starting", 0, None)
            publisher.phase(0, CPU, "training")
            for step in range(500):
                publisher.report(0, CurvePoint(step / 500, step, 5.0 - step / 500))
            publisher.show("policy", {"value": 0.25})
            await until(lambda: watcher.live()[0].step == 499)
            (live,) = watcher.live()
            assert (live.phase, live.progress, live.loss) == ("training", 0.998, 4.002)
            curve = watcher.curve(0)
            assert (curve[0][1], curve[-1][1]) == (0, 499)
            assert len(curve) <= 130
            assert watcher.panels()["policy"] == {"value": 0.25}
            assert watcher.panels()["slots"]["slots"][0]["device"] == "cpu"
            assert watcher.samples()[1] == sample()
            publisher.ended(0)
            await until(lambda: watcher.live() == [])
            version = watcher.data_version()
            await anyio.sleep(0.1)
            assert watcher.data_version() == version, "it writes only what has changed"
        tasks.cancel_scope.cancel()


async def test_what_cannot_be_written_does_not_end_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.publisher.PUBLISH_SECONDS", 0.01)
    tried = []

    async def full(self: Store, now: object) -> None:
        tried.append(now)
        raise StoreFull("the disk is full")

    async with Store.create(StudyFolder(tmp_path / "s"), STUDY) as store:
        monkeypatch.setattr(Store, "publish", full)
        async with anyio.create_task_group() as tasks:
            publisher = Publisher(store, [CPU], sample)
            tasks.start_soon(publisher.run)
            await until(lambda: tried)
            publisher.show("oracle", [1])
            await until(lambda: len(tried) > 1)
            tasks.cancel_scope.cancel()


def test_a_slots_time_is_split_by_what_it_did() -> None:
    now = 0.0
    duty = DutyClock([CPU, Slot(1, "cpu", 1, 1)], lambda: now)
    for activity, seconds in (("starting", 2.0), ("training", 10.0), ("scoring", 1.0)):
        duty.switch(0, activity)  # type: ignore[arg-type]
        now += seconds
    duty.switch(0, "training")
    now += 5
    first, second = duty.report()["slots"]
    assert first["seconds"] == {"waiting": 0, "starting": 2, "training": 15, "scoring": 1}
    assert (first["now"], second["seconds"]) == ("training", {"waiting": 18})


def test_what_a_slot_does_between_its_trials_is_counted_from_one_to_the_next() -> None:
    now = 0.0
    duty = DutyClock([CPU], lambda: now)
    for activity in ("proposing", "starting", "training", "scoring", "waiting", "proposing"):
        duty.switch(0, activity)  # type: ignore[arg-type]
        now += 2.0
    assert duty.between(0) == {"waiting": 2, "proposing": 4}
    now += 1.0
    assert duty.between(0) == {"proposing": 1}
    assert duty.report()["slots"][0]["seconds"]["proposing"] == 5


def test_the_time_of_an_experiment_is_split_without_a_gap() -> None:
    now = 0.0
    split = Split("spawn", lambda: now)
    for part in ("import", "build", "training", "import", "score"):
        now += 1.5
        split.enter(part)  # type: ignore[arg-type]
    now += 0.25
    assert split.part == "score"
    assert split.seconds() == {
        "spawn": 1.5,
        "import": 3.0,
        "build": 1.5,
        "training": 1.5,
        "score": 0.25,
    }


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = LossCurve(limit=16)
    points = [CurvePoint(n / 1000, n, float(n)) for n in range(1000)]
    for point in points:
        curve.add(point)
    kept = curve.points()
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert len(kept) <= 17
    gaps = {b.step - a.step for a, b in itertools.pairwise(kept[:-1])}
    assert len(gaps) == 1


def test_the_cpu_is_measured() -> None:
    sampler = DeviceSampler([CPU, Slot(1, "cpu", 1, 1)])
    time.sleep(0.1)  # the machine counts in hundredths
    (found,) = sampler.sample()
    assert found.device == "cpu"
    assert found.utilisation is not None
    assert 0 <= found.utilisation <= 1
    assert found.memory_mb is not None
    assert found.memory_total_mb is not None
    assert found.memory_mb > 0
    assert found.power_w is None


class Nvml(ModuleType):
    """Stands for NVIDIA's library on a machine without it: two GPUs, one of which tells little."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        return uuid

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        if index > 1:
            raise self.NVMLError
        return f"GPU-{index}"

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(gpu=97)

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(used=3 << 30, total=80 << 30)

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        if handle == "GPU-1":
            raise self.NVMLError
        return 412_500

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        return 61


def test_gpus_are_measured_and_what_they_cannot_tell_is_none() -> None:
    slots = [
        Slot(0, "cuda:0", 1, 1, uuid="GPU-x"),
        Slot(1, "cuda:1", 1, 1),
        Slot(2, "cuda:7", 1, 1),
    ]
    first, second, third = DeviceSampler(slots, Nvml("nvml")).sample()
    assert (first.utilisation, first.power_w, first.temperature_c) == (0.97, 412.5, 61)
    assert (first.memory_mb, first.memory_total_mb) == (3072, 81920)
    assert (second.utilisation, second.power_w) == (0.97, None)
    assert (third.device, third.utilisation, third.memory_mb) == ("cuda:7", None, None)


def test_without_a_driver_a_gpu_tells_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    (found,) = DeviceSampler([Slot(0, "cuda:9", 1, 1)]).sample()
    assert (found.utilisation, found.memory_mb, found.power_w) == (None, None, None)
    assert capfd.readouterr() == ("", "")
