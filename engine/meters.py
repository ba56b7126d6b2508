"""What a study has used, counted over all its engines: device time and energy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from state.errors import StoreError
from state.present import DeviceSample
from state.store import Store

SAVE_SECONDS = 5.0  # a killed engine forgets no more than this
_GAP_SECONDS = 60.0  # between samples: what a device used in a longer one nobody knows
_JOULES_PER_KWH = 3.6e6
_DEVICE_SECONDS, _KWH = "device_seconds", "kwh"  # names of the study's meters


class EnergyMeter:
    """Adds up the devices' power over time, by the trapezoidal rule, from samples as they come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.kwh = 0.0
        self.measurable = False  # whether a device has told its power yet
        self._clock = clock
        self._last: dict[str, tuple[float, float]] = {}  # by device: when, in watts

    def sampling(
        self, sample: Callable[[], Sequence[DeviceSample]]
    ) -> Callable[[], Sequence[DeviceSample]]:
        """The same samples, with an eye on their power."""

        def measured() -> Sequence[DeviceSample]:
            samples = sample()
            self.note(samples)
            return samples

        return measured

    def note(self, samples: Sequence[DeviceSample]) -> None:
        """Count what each device has used since its last sample."""
        now = self._clock()
        for sample in samples:
            watts = sample.power_w
            if watts is None:
                continue
            self.measurable = True
            then, before = self._last.get(sample.device, (now, watts))
            self._last[sample.device] = now, watts
            if now - then <= _GAP_SECONDS:
                self.kwh += (now - then) * (watts + before) / 2 / _JOULES_PER_KWH


class Meters:
    """The study's meters: what earlier engines have counted, and this one."""

    def __init__(
        self,
        store: Store,
        before: dict[str, float],
        energy: EnergyMeter,
        occupied: Callable[[], float],
    ) -> None:
        """`occupied` tells for how many seconds trials have occupied slots in this run."""
        self._store = store
        self._before = before
        self._energy = energy
        self._occupied = occupied
        self._saved: dict[str, float] = {}
        self._saved_at = time.monotonic()

    @classmethod
    async def open(cls, store: Store, energy: EnergyMeter, occupied: Callable[[], float]) -> Meters:
        """The meters of a run that begins now."""
        return cls(store, await store.meters(), energy, occupied)

    @property
    def device_hours(self) -> float:
        """Wall hours in which a trial occupied a slot, over all slots and engines."""
        return (self._before.get(_DEVICE_SECONDS, 0.0) + self._occupied()) / 3600

    @property
    def kwh(self) -> float | None:
        """Energy that the devices have used; None while none tells its power."""
        if not self._energy.measurable:
            return None
        return self._before.get(_KWH, 0.0) + self._energy.kwh

    async def save(self, *, at_once: bool = False) -> None:
        """Add what is new to the study's meters, every few seconds."""
        now = time.monotonic()
        if not at_once and now - self._saved_at < SAVE_SECONDS:
            return
        self._saved_at = now
        total = {_DEVICE_SECONDS: self._occupied(), _KWH: self._energy.kwh}
        fresh = {name: amount - self._saved.get(name, 0.0) for name, amount in total.items()}
        try:
            await self._store.count({name: more for name, more in fresh.items() if more > 0})
        except StoreError:
            return  # a full disk is the oracle's business; the next time counts it, too
        self._saved = total
