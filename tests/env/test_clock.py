import time

import pytest

from env.clock import BudgetClock, ClockKind


def test_steps_count_batches_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    clock = BudgetClock("steps", 3)
    assert (clock.elapsed(), clock.progress, clock.spent) == (0.0, 0.0, False)
    clock.start()
    for step in range(3):
        assert not clock.spent
        clock.tick()
        assert clock.elapsed() == step + 1
    assert clock.spent
    assert clock.progress == 1.0


@pytest.mark.parametrize(("kind", "source"), [("wall", "monotonic"), ("cpu", "process_time")])
def test_seconds_count_from_the_start(
    kind: ClockKind, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {"monotonic": 100.0, "process_time": 7.0}
    monkeypatch.setattr("env.clock._SOURCES", {kind: lambda: now[source]})
    monkeypatch.setattr(time, "monotonic", lambda: now["monotonic"])
    clock = BudgetClock(kind, 10)
    now[source] += 50
    assert (clock.elapsed(), clock.wall_seconds()) == (0.0, 0.0)
    clock.start()
    now[source] += 4
    clock.start()
    assert clock.elapsed() == 4
    assert clock.progress == 0.4
    assert not clock.spent
    now[source] += 6
    assert clock.spent
    now[source] += 6
    assert clock.progress == 1.0


def test_sleeping_costs_no_cpu_seconds() -> None:
    clock = BudgetClock("cpu", 1)
    clock.start()
    time.sleep(0.2)
    assert clock.wall_seconds() >= 0.2
    assert clock.elapsed() < 0.1


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_budget_must_be_positive(budget: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        BudgetClock("wall", budget)


def test_a_clock_must_be_known() -> None:
    with pytest.raises(ValueError, match="wall, cpu or steps"):
        BudgetClock("sundial", 1)  # type: ignore[arg-type]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The time on the `cpu` clock, as a test sets it."""
    now = {"cpu": 7.0}
    monkeypatch.setattr("env.clock._SOURCES", {"cpu": lambda: now["cpu"]})
    return now


def test_a_long_start_up_is_charged(now: dict[str, float]) -> None:
    clocks = [BudgetClock("cpu", 10, free_startup=free) for free in (30, 25, 0)]
    now["cpu"] += 30
    for clock in clocks:
        clock.start()
    assert [clock.elapsed() for clock in clocks] == [0.0, 5.0, 30.0]
    assert [clock.spent for clock in clocks] == [False, False, True]
    now["cpu"] += 1
    assert [clock.elapsed() for clock in clocks] == [1.0, 6.0, 31.0]


def test_a_batch_that_would_end_too_late_is_not_begun(now: dict[str, float]) -> None:
    clock = BudgetClock("cpu", 10, tolerance=1)
    clock.start()
    taken = []
    while not clock.spent:
        taken.append(clock.elapsed())
        clock.tick()
        now["cpu"] += 3
    assert taken == [0.0, 3.0, 6.0]  # another one would end at 12

    patient = BudgetClock("cpu", 10, tolerance=2)
    patient.start()
    while not patient.spent:
        patient.tick()
        now["cpu"] += 3
    assert patient.steps == 4
