"""How a study looks whose command prints its own score, and higher is better."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from textual.pilot import Pilot

from arl_tui.app import StudyApp
from arl_tui.made_up_metric import ACCURACY
from state.folder import StudyFolder

NOW = datetime(2026, 11, 1, 23, 2, tzinfo=UTC)

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}

MakeApp = Callable[..., StudyApp]
Compare = Callable[..., bool]


async def settled(pilot: Pilot[Any]) -> None:
    """Wait for what is read after the first look."""
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_the_dashboard(study_app: MakeApp, snap_compare: Compare, size: str) -> None:
    app = study_app(61, scale=ACCURACY)
    assert snap_compare(app, terminal_size=SIZES[size], run_before=settled)


def test_what_runs_is_aborted_below_its_threshold(
    study_app: MakeApp, snap_compare: Compare
) -> None:
    app = study_app(61, scale=ACCURACY)
    assert snap_compare(app, press=["2"], terminal_size=SIZES["80x24"], run_before=settled)


def test_the_history_with_the_best_first(
    study_folder: Callable[..., StudyFolder], snap_compare: Compare
) -> None:
    app = StudyApp(study_folder(60, scale=ACCURACY), now=lambda: NOW)

    async def sort(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pilot.press("h")
        await settled(pilot)
        await pilot.press("t", "t")
        await settled(pilot)

    assert snap_compare(app, terminal_size=SIZES["120x40"], run_before=sort)
