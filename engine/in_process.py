"""An executor without processes: a function stands for training and scoring. For tests."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.abc
import anyio.lowlevel

from engine.executor import Budget, Listener, Slot, TrialRequest, TrialResult, TrialStatus

Trial = Callable[[TrialRequest], TrialResult]


class InProcessJob:
    """A trial that a function stands for; it takes one turn of the event loop."""

    def __init__(self, trial: Trial, request: TrialRequest, listener: Listener) -> None:
        self._trial = trial
        self._request = request
        self._listener = listener
        self._cancelled = False
        self._aborted: tuple[TrialStatus, str] | None = None

    async def trained(self) -> bool:
        """At once: all of it happens when its result is awaited."""
        await anyio.lowlevel.checkpoint()
        return True

    async def result(self) -> TrialResult:
        """The function's answer, or `interrupted`."""
        await anyio.lowlevel.checkpoint()
        if self._cancelled:
            return TrialResult("interrupted", "the engine ended it")
        result = self._trial(self._request)
        for point in result.curve:
            self._listener.on_report(point)
            if self._aborted:
                return TrialResult(
                    *self._aborted,
                    seconds=float(point.step),
                    steps=point.step,
                    curve=tuple(p for p in result.curve if p.step <= point.step),
                )
        return result

    def abort(self, reason: str, status: TrialStatus = "abort") -> None:
        """End it at the loss that it has just reported."""
        self._aborted = status, reason

    def cancel(self) -> None:
        """End it, if its result has not been asked for yet."""
        self._cancelled = True


class InProcessExecutor:
    """Runs every trial by calling `trial` on its request."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    async def submit(self, request: TrialRequest, listener: Listener) -> InProcessJob:
        """Note the trial; it runs when its result is awaited."""
        listener.on_phase("starting")
        listener.on_phase("training")
        return InProcessJob(self._trial, request, listener)

    def expect(self, slot: Slot, budget: Budget) -> None:
        """There is nothing to prepare."""
