"""Holds a command against its limits: its phases, its clock, and why it must end.

The clock is measured from outside, over everything that the command started, whatever it says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from env import scratch
from env.contention import Contention
from env.meter import Meter

LOOK_SECONDS = 0.1  # the shortest time between two looks
_LOOK_SHARE = 10  # one look in so much time, in units of what a look takes
_LONGEST_PAUSE = 0.5


class Watch:
    """One command's phases: startup, then for a trial training and finishing.

    Before them it may be `waiting` for its task, and between the first two `held`.
    """

    def __init__(self, order: Mapping[str, Any]) -> None:
        """`order` as written by `engine.orders`."""
        self.meter = Meter(order["memory_bytes"], order["max_processes"])
        self.phase = "waiting"
        self.verdict: tuple[str, str] | None = None
        self._order = order
        self._contention = Contention()
        self._began = self._phase_began = time.monotonic()
        self._next_look = 0.0
        self._startup_seconds = 0.0
        self._held_since = 0.0
        self._held_seconds = 0.0
        self._loaded: float | None = None  # on the clock, as all that follows
        self._clock_start = 0.0
        self._wall_seconds = 0.0
        self._clock_seconds = 0.0

    def stop(self, kind: str, reason: str) -> None:
        """Decide that it must end; the first reason counts."""
        if self.verdict is None:
            self.verdict = (kind, reason)

    def abort(self) -> None:
        """The engine has seen enough of it."""
        if self.phase == "training":
            self.meter.look()
            self._wall_seconds = time.monotonic() - self._phase_began
            self._clock_seconds = self._clock()
        self.stop("abort", "the engine aborted it")

    def begin(self) -> None:
        """It gets its task: its start-up counts from here, and not what it did before."""
        self._began = self._phase_began = time.monotonic()
        self._next_look = 0.0
        self.phase = "startup"

    def loaded(self) -> None:
        """From here on the candidate's own code runs; the harness says so before it does."""
        if self._loaded is None:
            self.meter.look()
            self._loaded = self._spent()

    def hold(self) -> None:
        """It is built, and shall not start yet: from here on nothing is charged to it."""
        self.phase, self._held_since = "held", time.monotonic()

    def ready(self) -> float:
        """It is built, and gets its training data: the clock starts.

        What it has spent on its start-up beyond what is free counts as training. Returns for how
        many seconds it was held.
        """
        self.meter.look()
        if self.phase == "held":
            self._held_seconds = time.monotonic() - self._held_since
        now, spent, clock = time.monotonic(), self._spent(), self._order["clock"]
        charged = max(0.0, spent - (self._loaded or 0.0) - clock["free_startup"])
        self._clock_start = spent - charged
        self._startup_seconds = now - self._began - self._held_seconds
        self.phase, self._phase_began = "training", now
        self._contention.start(self.meter.pids, os.getppid())  # the engine and its are no others
        return self._held_seconds

    def trained(self) -> None:
        """It says that it has reached its deadline: what the clock shows now is recorded."""
        self.meter.look()
        self._wall_seconds = time.monotonic() - self._phase_began
        self._clock_seconds = self._clock()
        self._contention.stop(self.meter.pids)
        self.phase = "finishing"

    def look(self) -> None:
        """Hold it against its limits, if it is time to."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self.meter.look()
        order, used = self._order, self.meter
        if used.processes > order["max_processes"]:
            self.stop("crash", f"it started more than {order['max_processes']} processes")
        elif used.memory_bytes > order["memory_bytes"]:
            limit = order["memory_bytes"] / 2**30
            self.stop("oom", f"it used more than {limit:.1f} GiB of memory")
        self._look_at_scratch()
        self._contention.look(self.meter.pids)
        if self.phase == "startup":
            self._look_at_startup(now - self._phase_began)
        elif self.phase in ("training", "finishing"):
            self._look_at_clock(now - self._phase_began)
        done = time.monotonic()
        pause = _LOOK_SHARE * (done - now)
        least = _LONGEST_PAUSE if self.phase == "waiting" else LOOK_SECONDS
        self._next_look = done + min(max(least, pause), _LONGEST_PAUSE)

    def times(self) -> dict[str, float | None]:
        """What was measured, in seconds and MiB; contention as shares, None where not known."""
        self._contention.stop(())
        return {
            "contention": _rounded(self._contention.waited),
            "other_load": _rounded(self._contention.others),
            "startup_seconds": round(self._startup_seconds, 3),
            "wall_seconds": round(self._wall_seconds, 3),
            "clock_seconds": round(self._clock_seconds, 3),
            "total_seconds": round(time.monotonic() - self._began, 3),
            "peak_memory_mb": round(self.meter.peak_memory_bytes / 2**20, 1),
        }

    def _look_at_scratch(self) -> None:
        folder, limit = self._order["scratch"], self._order["scratch_bytes"]
        if folder is not None and scratch.taken(folder, limit) >= limit:
            wrote = f"it wrote {limit / 2**30:.1f} GiB or too many files to its scratch folder"
            self.stop("crash", wrote)

    def _look_at_startup(self, waited: float) -> None:
        limit = self._order["startup_seconds"]
        if waited > limit:
            trial = self._order["clock"] is not None
            did = "it did not get ready within" if trial else "it took longer than"
            self.stop("timeout", f"{did} {limit:g} s")

    def _look_at_clock(self, wall: float) -> None:
        """The clock runs on while weights are handed in: nobody trains in that time."""
        order, clock = self._order, self._order["clock"]
        spent = self._clock()
        grace = 0.0
        if self.phase == "training":
            self._wall_seconds, self._clock_seconds = wall, spent
            if wall > order["wall_cap"]:
                self.stop("timeout", f"it ran over its wall cap of {order['wall_cap']:g} s")
        else:
            waited = wall - self._wall_seconds
            if waited > order["finish_seconds"]:
                self.stop("timeout", f"it took {waited:.0f} s to hand in its weights")
            grace = clock["finish_grace"] + self._delivered() / clock["finish_bytes_per_second"]
        if clock["kind"] != "steps" and spent > clock["budget"] + clock["tolerance"] + grace:
            self.stop(
                "timeout",
                f"it went past its budget of {clock['budget']:g} s "
                f"({spent:.1f} s on the {clock['kind']} clock)",
            )

    def _clock(self) -> float:
        return self._spent() - self._clock_start

    def _spent(self) -> float:
        """Seconds since the command's start, on the budget's clock."""
        cpu = self._order["clock"]["kind"] == "cpu"
        if cpu:
            return self.meter.cpu_seconds
        return time.monotonic() - self._began - self._held_seconds

    def _delivered(self) -> int:
        return os.stat(self._order["files"]["weights"][0]).st_size


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
