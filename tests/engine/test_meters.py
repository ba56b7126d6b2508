"""What a study uses: energy from power over time, device time, and that it is counted for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.duty import DutyClock
from engine.executor import Slot
from engine.meters import EnergyMeter, Meters
from state.folder import StudyFolder
from state.present import DeviceSample
from state.records import NewStudy
from state.store import Store

pytestmark = pytest.mark.anyio

STUDY = NewStudy(name="s", seed=1, target_name="train.py", policy="local")


class Watt:
    """Devices whose power is given, on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meter = EnergyMeter(clock=lambda: self.now)

    def at(self, seconds: float, **watts: float | None) -> None:
        self.now = seconds
        samples = [DeviceSample(at="", device=name, power_w=w) for name, w in watts.items()]
        assert self.meter.sampling(lambda: samples)() is samples


def test_energy_is_power_over_time_of_every_device() -> None:
    watt = Watt()
    watt.at(0, a=100, b=300)
    watt.at(30, a=300, b=300)
    assert watt.meter.kwh == pytest.approx((200 + 300) * 30 / 3.6e6)
    watt.at(40, a=None, b=300)  # a does not answer this time
    watt.at(60, a=300, b=300)
    assert watt.meter.kwh == pytest.approx((200 * 30 + 300 * 30 + 300 * 60) / 3.6e6)


def test_what_was_used_while_nobody_looked_is_not_made_up() -> None:
    watt = Watt()
    watt.at(0, a=1000)
    watt.at(7200, a=1000)  # the machine slept
    assert watt.meter.kwh == 0.0
    assert watt.meter.measurable


def test_a_device_that_tells_no_power_cannot_be_measured() -> None:
    watt = Watt()
    watt.at(0, cpu=None)
    assert not watt.meter.measurable


def test_device_time_is_what_experiments_occupy() -> None:
    now = 0.0
    slots = [Slot(n, "cpu", 1, 1) for n in range(2)]
    duty = DutyClock(slots, clock=lambda: now)
    duty.switch(0, "starting")
    now = 10.0
    duty.switch(0, "training")
    duty.switch(1, "training")
    now = 30.0
    duty.switch(0, "scoring")
    duty.switch(1, "review")
    now = 35.0
    duty.switch(0, "proposing")
    now = 100.0
    assert duty.occupied() == 35 + 20


async def test_the_next_engine_goes_on_counting(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "s")
    async with Store.create(folder, STUDY) as store:
        watt, seconds = Watt(), 0.0
        meters = await Meters.open(store, watt.meter, lambda: seconds)
        assert meters.kwh is None
        watt.at(0, a=3600)
        watt.at(10, a=3600)
        seconds = 1800.0
        await meters.save()  # a moment after the last time: not yet
        assert await store.meters() == {}
        await meters.save(at_once=True)
        watt.at(20, a=3600)
        seconds = 3600.0
        assert (meters.kwh, meters.device_hours) == (pytest.approx(0.02), 1.0)
        await meters.save(at_once=True)
        await meters.save(at_once=True)
    async with Store.open(folder) as store:
        assert await store.meters() == {
            "device_seconds": 3600.0,
            "kwh": pytest.approx(0.02),
        }
        again = Watt()
        later = await Meters.open(store, again.meter, lambda: 900.0)
        again.at(0, a=1)
        assert (later.kwh, later.device_hours) == (pytest.approx(0.02), 1.25)
