"""What viewers see of the present: collected as it happens, written about once a second.

A viewer has the database alone. What is written here may be lost, and the engine goes on when it
cannot be written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import anyio
from anyio import to_thread

from engine.calibration import Forecast
from engine.curve import LossCurve
from engine.duty import Activity, DutyClock
from engine.executor import CurvePoint, Slot
from state.errors import StoreError
from state.present import DeviceSample, Live, Phase, Present
from state.records import Json, Look
from state.rows import utc_now
from state.store import Store

PUBLISH_SECONDS = 1.0
SAMPLE_SECONDS = 2.0
QUIET_SECONDS = 10.0  # between samples and panels while nothing runs
_CURVE_POINTS = 128  # of a running experiment; the whole curve is kept when it has ended

Sample = Callable[[], Sequence[DeviceSample]]


class Publisher:
    """Collects the present of one run of the engine. `sample` measures the devices, and blocks."""

    def __init__(self, store: Store, slots: Sequence[Slot], sample: Sample) -> None:
        self._store = store
        self._sample = sample
        self._duty = DutyClock(slots)
        self._live: dict[int, Live] = {}
        self._curves: dict[int, LossCurve] = {}
        self._began: dict[int, float] = {}  # training, in monotonic seconds
        self._reported: set[int] = set()
        self._panels: dict[str, Json] = {}
        self._fresh_panels: set[str] = set()
        self._changed = False

    def doing(self, slot: Slot, activity: Activity) -> None:
        """What a slot does from now on."""
        self._duty.switch(slot.number, activity)

    def occupied_seconds(self) -> float:
        """Seconds in which an experiment occupied a slot, over all slots, in this run."""
        return self._duty.occupied()

    def waited(self, slot: Slot) -> Mapping[str, float]:
        """What a slot did since its last trial, in seconds by activity; counted anew from here."""
        return self._duty.between(slot.number)

    def phase(self, experiment_id: int, slot: Slot, phase: Phase) -> None:
        """An experiment has entered a phase."""
        self._duty.switch(slot.number, phase)
        if phase == "starting" or experiment_id not in self._live:
            self._live[experiment_id] = Live(
                experiment_id=experiment_id, phase=phase, phase_since=utc_now()
            )
            self._curves[experiment_id] = LossCurve(_CURVE_POINTS)
        self._live[experiment_id] = replace(
            self._live[experiment_id], phase=phase, phase_since=utc_now()
        )
        if phase == "training":
            self._began[experiment_id] = time.monotonic()
        self._changed = True

    def report(self, experiment_id: int, point: CurvePoint) -> None:
        """An experiment has reported its loss."""
        live = self._live.get(experiment_id)
        if live is None:
            return
        seconds = time.monotonic() - self._began.get(experiment_id, time.monotonic())
        self._live[experiment_id] = replace(
            live,
            progress=point.progress,
            step=point.step,
            loss=point.loss,
            steps_per_second=point.step / seconds if seconds > 1 else None,
        )
        self._curves[experiment_id].add(point)
        self._reported.add(experiment_id)
        self._changed = True

    def expects(self, experiment_id: int, look: Look) -> None:
        """What an experiment is expected to end with."""
        live = self._live.get(experiment_id)
        if live is None or look.forecast is None or look.spread is None:
            return
        forecast = Forecast(look.forecast, look.spread)
        self._live[experiment_id] = replace(
            live,
            forecast=forecast.score,
            forecast_low=forecast.low,
            forecast_high=forecast.high,
            threshold=look.threshold,
        )
        self._changed = True

    def ended(self, experiment_id: int) -> None:
        """An experiment does not run any more."""
        self._live.pop(experiment_id, None)
        self._curves.pop(experiment_id, None)
        self._began.pop(experiment_id, None)
        self._reported.discard(experiment_id)
        self._changed = True

    def show(self, name: str, data: Json) -> None:
        """What a panel says from now on: plain values for JSON."""
        if self._panels.get(name) != data:
            self._panels[name] = data
            self._fresh_panels.add(name)
            self._changed = True

    async def run(self) -> None:
        """Write what has changed, until cancelled; then once more."""
        sampled = -QUIET_SECONDS
        try:
            while True:
                samples: Sequence[DeviceSample] = ()
                now = time.monotonic()
                if now - sampled >= (SAMPLE_SECONDS if self._live else QUIET_SECONDS):
                    sampled = now
                    samples = await to_thread.run_sync(self._measured, abandon_on_cancel=True)
                    self.show("slots", self._duty.report())
                await self._publish(samples)
                await anyio.sleep(PUBLISH_SECONDS)
        finally:
            with anyio.CancelScope(shield=True):
                self.show("slots", self._duty.report())
                await self._publish(())

    def _measured(self) -> Sequence[DeviceSample]:
        try:
            return self._sample()
        except Exception:  # a broken sensor or driver: what it shows is not worth a night's run
            return ()

    async def _publish(self, samples: Sequence[DeviceSample]) -> None:
        if not (self._changed or samples):
            return
        now = Present(
            live=tuple(self._live.values()),
            curves={
                number: [(p.progress, p.step, p.loss) for p in self._curves[number].points()]
                for number in self._reported
            },
            samples=samples,
            panels={name: self._panels[name] for name in self._fresh_panels},
        )
        self._changed = False
        self._reported.clear()
        self._fresh_panels.clear()
        try:
            await self._store.publish(now)
        except StoreError:
            pass  # a full disk is the oracle's business; outcomes say it for themselves
