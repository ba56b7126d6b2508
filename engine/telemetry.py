"""What the devices are doing: utilisation, memory, power and temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import psutil

from engine.devices import machine_memory
from engine.executor import Slot
from state.present import DeviceSample
from state.rows import utc_now

_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


class DeviceSampler:
    """Samples the devices of some slots. What cannot be measured here is None."""

    def __init__(self, slots: Sequence[Slot], nvml: ModuleType | None = None) -> None:
        """`nvml` is NVIDIA's library; by default the machine's, if it has one."""
        self._slots = {slot.device: slot for slot in slots}
        self._nvml: Any = None
        if any(device != "cpu" for device in self._slots):
            self._nvml = nvml or _open_nvml()
        self._memory = machine_memory() / 2**20
        self._times = psutil.cpu_times()

    def sample(self) -> list[DeviceSample]:
        """One sample of each device."""
        return [
            self._cpu() if device == "cpu" else self._gpu(slot)
            for device, slot in self._slots.items()
        ]

    def _cpu(self) -> DeviceSample:
        memory = psutil.virtual_memory()
        return DeviceSample(
            at=utc_now(),
            device="cpu",
            utilisation=self._busy(),
            memory_mb=round((memory.total - memory.available) / 2**20),
            memory_total_mb=round(min(self._memory, memory.total / 2**20)),
            temperature_c=_cpu_temperature(),
        )

    def _busy(self) -> float | None:
        """The share of all cores since the last sample; psutil's own remembers one per thread."""
        before, now = self._times, psutil.cpu_times()
        self._times = now
        total = sum(now) - sum(before)
        idle = now.idle + getattr(now, "iowait", 0.0)
        idle -= before.idle + getattr(before, "iowait", 0.0)
        return min(1.0, max(0.0, 1 - idle / total)) if total > 0 else None

    def _gpu(self, slot: Slot) -> DeviceSample:
        nvml = self._nvml
        handle = self._ask(lambda: _handle(nvml, slot))
        if handle is None:
            return DeviceSample(at=utc_now(), device=slot.device)
        rates = self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        memory = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        milliwatts = self._ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        sensor = getattr(nvml, "NVML_TEMPERATURE_GPU", 0)
        celsius = self._ask(lambda: nvml.nvmlDeviceGetTemperature(handle, sensor))
        return DeviceSample(
            at=utc_now(),
            device=slot.device,
            utilisation=None if rates is None else rates.gpu / 100,
            memory_mb=None if memory is None else round(memory.used / 2**20),
            memory_total_mb=None if memory is None else round(memory.total / 2**20),
            power_w=None if milliwatts is None else milliwatts / 1000,
            temperature_c=None if celsius is None else float(celsius),
        )

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer, or None: not every GPU can tell everything."""
        if self._nvml is None:
            return None
        try:
            return question()
        except self._nvml.NVMLError:
            return None


def _open_nvml() -> ModuleType | None:
    """NVIDIA's library, or None where there is no driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    module: ModuleType = pynvml
    return module


def _handle(nvml: Any, slot: Slot) -> Any:
    if slot.uuid:
        return nvml.nvmlDeviceGetHandleByUUID(slot.uuid)
    return nvml.nvmlDeviceGetHandleByIndex(int(slot.device.partition(":")[2]))


def _cpu_temperature() -> float | None:
    read = getattr(psutil, "sensors_temperatures", None)
    sensors = read() if read is not None else {}
    for name in _CPU_SENSORS:
        if sensors.get(name):
            return float(sensors[name][0].current)
    return None
