"""The bench of the clocks: its statistics, and the processes that it keeps busy."""

from __future__ import annotations

import math
import os
import random
import time
from statistics import stdev

import psutil
import pytest

from engine.clock_bench import compare, ratio_interval, spread_interval
from engine.executor import TrialResult
from engine.hogs import hogs


def busy_ones() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if any("select.select([0], [], [], 0)" in word for word in words):
            found.append(process)
    return found


def test_hogs_are_busy_strangers_and_end_with_their_lifeline() -> None:
    with hogs(2):
        found = busy_ones()
        assert len(found) == 2
        deadline = time.monotonic() + 30
        while any(one.cpu_times().user < 0.05 for one in found):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not {one.pid for one in found} & {
            child.pid for child in psutil.Process(os.getpid()).children(recursive=True)
        }
    deadline = time.monotonic() + 30
    while busy_ones():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_intervals_hold_what_they_promise() -> None:
    dice = random.Random(5)
    spreads = ratios = 0
    for _ in range(1000):
        shared = [dice.gauss(0, 1) for _ in range(8)]  # seeds make pairs alike
        first = [value + dice.gauss(0, 1) for value in shared]
        second = [2 * value + 2 * dice.gauss(0, 1) for value in shared]
        low, high = spread_interval(first)
        spreads += low < math.sqrt(2) < high
        interval = ratio_interval(first, second)
        assert interval is not None
        ratios += interval[0] < 2 < interval[1]
    assert 0.93 < spreads / 1000 < 0.97
    assert 0.93 < ratios / 1000 < 0.97
    assert ratio_interval([1, 2], [1, 3]) is None
    assert ratio_interval([1, 1, 1], [1, 2, 3]) is None


def runs(scores: list[float], waited: float, others: float | None) -> list[TrialResult]:
    return [
        TrialResult("scored", val_bpb=s, steps=10, contention=waited, other_load=others)
        for s in scores
    ]


def test_pairs_are_compared() -> None:
    idle, hogged = [2.0, 2.1, 2.2, 2.1], [2.1, 2.3, 2.5, 2.3]
    found = compare(runs(idle, 0.0, None), runs(hogged, 0.01, 0.5), 1)
    assert found.ratio == pytest.approx(2)
    assert found.shift == pytest.approx(0.2 / stdev(idle))
    assert found.shift_interval[0] < found.shift < found.shift_interval[1]
    assert (found.idle.flagged, found.hogged.flagged) == (False, True)
    assert (found.idle.contended, found.hogged.contended) == (0, 4)
    assert (found.idle.waited, found.idle.others) == (0.0, None)
