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
