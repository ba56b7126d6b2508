"""How the dashboard looks in its three sizes and its states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from arl_tui.app import StudyApp

SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}

MakeApp = Callable[..., StudyApp]
Compare = Callable[..., bool]


async def settled(pilot: Pilot[Any]) -> None:
    """Wait for what is read after the first look."""
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_a_study_that_runs(study_app: MakeApp, snap_compare: Compare, size: str) -> None:
    assert snap_compare(study_app(), terminal_size=SIZES[size], run_before=settled)


@pytest.mark.parametrize("key", ["2", "3", "4", "5", "6", "7", "x"])
def test_one_pane_at_a_time(study_app: MakeApp, snap_compare: Compare, key: str) -> None:
    app = study_app()
    assert snap_compare(app, press=[key], terminal_size=SIZES["80x24"], run_before=settled)


@pytest.mark.parametrize("key", ["1", "2"])
def test_one_trains_while_another_is_scored(
    study_app: MakeApp, snap_compare: Compare, key: str
) -> None:
    app = study_app(61, overlapping=True)
    assert snap_compare(app, press=[key], terminal_size=SIZES["80x24"], run_before=settled)


def test_self_evaluation_learns(study_app: MakeApp, snap_compare: Compare) -> None:
    assert snap_compare(study_app(24), terminal_size=SIZES["120x40"], run_before=settled)


def test_an_old_study_without_an_engine(study_app: MakeApp, snap_compare: Compare) -> None:
    app = study_app(alive=False)
    assert snap_compare(app, terminal_size=SIZES["120x40"], run_before=settled)


def test_before_the_first_experiment(study_app: MakeApp, snap_compare: Compare) -> None:
    assert snap_compare(study_app(0), terminal_size=SIZES["80x24"], run_before=settled)


def test_without_colours(
    study_app: MakeApp, snap_compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(study_app(), terminal_size=SIZES["120x40"], run_before=settled)
