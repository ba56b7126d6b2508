"""The termination oracle: each criterion alone, what it says, and the hours of killed engines."""

from __future__ import annotations

import pytest

from engine import oracle
from engine.facts import ENGINE_STARTED, hours_run
from engine.oracle import Facts, consult, criteria, verdict
from engine.settings import Limits
from state.records import Event

CALM = Facts(experiments=3, after_baseline=1, hours=0.5, disk_free_gb=100.0)


def stop_of(limits: Limits, facts: Facts) -> str | None:
    reading = verdict(consult(criteria(limits), facts))
    return None if reading is None else reading.sentence


def test_without_limits_only_the_disk_can_stop_it() -> None:
    assert stop_of(Limits(), CALM) is None
    assert len(criteria(Limits(min_disk_gb=0))) == 0


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(max_experiments=3), "3 of 3 experiments are done"),
        (Limits(max_after_baseline=1), "1 of 1 experiments after the baseline are done"),
        (Limits(max_hours=0.5), "the study has run for 0.50 of 0.5 hours"),
        (Limits(min_disk_gb=101), "100.0 GB of disk are free, 101 GB must stay free"),
    ],
)
def test_each_criterion_stops_alone_and_says_why(limits: Limits, sentence: str) -> None:
    assert stop_of(limits, CALM) == sentence


def test_not_yet_has_a_sentence_with_numbers_too() -> None:
    readings = consult(criteria(Limits(max_experiments=4, max_hours=8)), CALM)
    assert [reading.stop for reading in readings] == [False, False, False]
    assert readings[0].sentence == "3 of 4 experiments are done"
    assert readings[0].used == pytest.approx(0.75)


def test_a_killed_engines_hours_end_with_its_last_event() -> None:
    def at(minute: int, type_: str, state: str = "") -> Event:
        time = f"2026-01-01T00:{minute:02d}:00.000000Z"
        return Event(id=minute, at=time, type=type_, experiment_id=None, data={"state": state})

    events = [
        at(0, ENGINE_STARTED),
        at(1, "state", "running"),
        at(10, "finished"),  # killed after this
        at(30, ENGINE_STARTED),
        at(31, "state", "running"),
        at(40, "state", "paused"),
        at(45, "state", "running"),
        at(50, "state", "stopped"),
    ]
    assert hours_run(events) == pytest.approx((10 + 20) / 60)
    assert hours_run(events[:3]) == pytest.approx(10 / 60)
    assert hours_run([]) == 0.0


def test_a_limit_that_waits_for_nothing_comes_before_one_that_does() -> None:
    waits = oracle.Reading("experiments", 1.0, True, "5 of 5", drain=True)
    hours = oracle.Reading("hours", 1.0, True, "8 of 8")
    disk = oracle.Reading("disk", 1.0, True, "full")
    assert oracle.verdict([waits, hours]) is hours
    assert oracle.verdict([waits, hours, disk]) is disk
    assert oracle.verdict([waits]) is waits
    assert oracle.verdict([]) is None
