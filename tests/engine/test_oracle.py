"""The termination oracle: each criterion alone, what it says, and the hours of killed engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine import oracle
from engine.convergence import Record
from engine.facts import ENGINE_STARTED, Recent, hours_run
from engine.failures import Failure, Streaks
from engine.oracle import Facts, consult, criteria, verdict
from engine.settings import Limits, SettingsError, validate
from state.records import Event

CALM = Facts(experiments=3, after_baseline=1, hours=0.5, disk_free_gb=100.0)
OFF = {
    "min_disk_gb": 0,
    "max_failures": 0,
    "max_failures_alike": 0,
    "max_rerun_failures": 0,
    "convergence": False,
}
CRASHES = Streaks(candidates=[Failure("crash", f"bad line {n}") for n in range(10)])
MIXED = Streaks(
    candidates=[Failure("oom", ""), *([Failure("crash", "a"), Failure("timeout", "b")] * 12)]
)
BROKEN = Streaks(reruns=[Failure("crash", "CUDA error")] * 2)


def limits(**keys: object) -> Limits:
    """These limits and no others."""
    return validate({"limits": OFF | keys}).limits


def stop_of(chosen: Limits, facts: Facts) -> str | None:
    reading = verdict(consult(criteria(chosen), facts))
    return None if reading is None else reading.sentence


def test_every_criterion_may_be_off() -> None:
    assert criteria(limits()) == ()
    assert stop_of(Limits(), CALM) is None
    names = {reading.name for reading in consult(criteria(Limits()), CALM)}
    assert names == {"convergence", "failures", "re-runs", "disk"}


@pytest.mark.parametrize(
    ("keys", "facts", "sentence"),
    [
        ({"max_experiments": 3}, {}, "3 of 3 experiments are done"),
        ({"max_after_baseline": 1}, {}, "1 of 1 experiments after the baseline are done"),
        ({"max_hours": 0.5}, {}, "the study has run for 0.50 of 0.5 hours"),
        (
            {"max_device_hours": 1.5},
            {"device_hours": 1.6},
            "experiments have occupied devices for 1.60 of 1.5 hours",
        ),
        ({"max_kwh": 2}, {"kwh": 2.0}, "the devices have used 2.000 of 2 kWh"),
        (
            {"max_cost": 1, "price_per_hour": 2.5},
            {},
            "0.50 hours at 2.5 each have cost 1.25 of 1",
        ),
        (
            {"target_bpb": 2.1},
            {"first": 2.4, "best": 2.1},
            "the incumbent scores 2.1000; 2.1 is the target",
        ),
        (
            {"convergence": True},
            {"record": lambda epsilon: Record(450)},
            "the chance of a gain in the next 50 experiments is about 10 %, and 10 % is too small: "
            "0 of 450 tries gained, none of the last 450; `run --no-convergence` goes on",
        ),
        (
            {"convergence": {"experiments": 20, "epsilon": 0.01, "delta": 0.2}},
            {"record": lambda epsilon: Record(200, (3, 9)) if epsilon == 0.01 else Record(0)},
            "the chance of a gain above 0.01 bpb in the next 20 experiments is about 9.5 %, and "
            "20 % is too small: 2 of 200 tries gained, none of the last 191; "
            "`run --no-convergence` goes on",
        ),
        (
            {"max_failures_alike": 10},
            {"streaks": CRASHES},
            "10 of 10 candidates in a row failed alike: crash (bad line 9)",
        ),
        (
            {"max_failures": 25, "max_failures_alike": 10},
            {"streaks": MIXED},
            "25 of 25 candidates in a row failed, 12 alike: crash (a)",
        ),
        (
            {"max_rerun_failures": 2},
            {"streaks": BROKEN, "best": 2.1},
            "2 of 2 runs of the incumbent in a row failed: crash (CUDA error); it has scored "
            "before, so look at the machine",
        ),
        ({"min_disk_gb": 101}, {}, "100.0 GB of disk are free, 101 GB must stay free"),
        (
            {"min_memory_gb": 2},
            {"memory_free_gb": 1.25},
            "1.2 GiB of memory were free at most in the last minute, 2 GiB must be",
        ),
    ],
)
def test_each_criterion_stops_alone_and_says_why(
    keys: dict[str, object], facts: dict[str, object], sentence: str
) -> None:
    assert stop_of(limits(**keys), replace(CALM, **facts)) == sentence


@pytest.mark.parametrize(
    ("keys", "facts", "used", "words"),
    [
        ({"max_experiments": 4}, {}, 0.75, "3 of 4 experiments are done"),
        ({"max_kwh": 2}, {}, None, "no device tells its power here: 2 kWh cannot be counted"),
        ({"target_bpb": 2.0}, {}, 0.0, "nothing is scored yet; 2 is the target"),
        ({"target_bpb": 2.0}, {"first": 2.4, "best": 2.3}, 0.25, "scores 2.3000; 2 is the target"),
        ({"convergence": True}, {}, 0.0, "is about 100 %, and 10 % is too small"),
        (
            {"convergence": True},
            {"record": lambda epsilon: Record(400, (175,))},
            0.5,
            "1 of 400 tries gained, none of the last 225, and it takes 450",
        ),
        (
            {"convergence": True},
            {"record": lambda epsilon: Record(900), "waiting": 2},
            1.0,
            "none of the last 900; 2 may yet",
        ),
        (
            {"max_failures": 25, "max_failures_alike": 10},
            {},
            0.0,
            "the last candidate did not fail; 10 in a row for one reason or 25 for any are the end",
        ),
        ({"max_failures": 50}, {"streaks": MIXED}, 0.5, "25 of 50 candidates in a row failed"),
        ({"max_rerun_failures": 2}, {"streaks": BROKEN}, 0.0, "did not fail"),
        ({"min_memory_gb": 2}, {}, None, "it is watched for a minute first"),
    ],
)
def test_not_yet_has_a_sentence_with_numbers_too(
    keys: dict[str, object], facts: dict[str, object], used: float | None, words: str
) -> None:
    (reading,) = consult(criteria(limits(**keys)), replace(CALM, **facts))
    assert not reading.stop
    assert reading.used == (None if used is None else pytest.approx(used))
    assert words in reading.sentence


def test_the_most_used_comes_first_and_what_is_not_measured_last() -> None:
    chosen = criteria(limits(max_kwh=1, max_hours=8, max_experiments=4, min_disk_gb=50))
    assert [r.name for r in consult(chosen, CALM)] == ["experiments", "disk", "hours", "energy"]


def test_a_limit_that_waits_for_nothing_comes_before_one_that_does() -> None:
    waits = oracle.Reading("experiments", 1.0, True, "5 of 5", drain=True)
    hours = oracle.Reading("hours", 1.0, True, "8 of 8")
    disk = oracle.Reading("disk", 1.0, True, "full", urgent=True)
    assert oracle.verdict([waits, hours]) is hours
    assert oracle.verdict([waits, hours, disk]) is disk
    assert oracle.verdict([waits]) is waits
    assert oracle.verdict([]) is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"max_cost": 5}, ["limits.max_cost", "limits.price_per_hour"]),
        ({"max_kwh": -1}, ["limits.max_kwh", "-1"]),
        ({"convergence": {"delta": 2}}, ["limits.convergence.delta", "2"]),
        ({"convergence": {"window": 2}}, ["limits.convergence.window", "delta, epsilon"]),
        ({"convergence": 7}, ["limits.convergence", "7"]),
        ({"max_failures": 1.5}, ["limits.max_failures", "1.5"]),
    ],
)
def test_wrong_limits_are_named(keys: dict[str, object], words: list[str]) -> None:
    with pytest.raises(SettingsError) as error:
        validate({"limits": keys})
    assert all(word in str(error.value) for word in words), error.value


def test_a_brief_lack_of_memory_is_none() -> None:
    now = 0.0
    recent = Recent(60.0, clock=lambda: now)
    assert recent.most(8.0) is None
    for seconds in range(5, 60, 5):
        now = float(seconds)
        assert recent.most(0.5) is None
    now = 60.0
    assert recent.most(0.5) == 8.0
    now = 65.0
    assert recent.most(0.4) == 0.5
    now = 70.0
    assert recent.most(6.0) == 6.0


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
