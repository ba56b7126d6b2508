"""Fixtures for the terminal interface: made-up studies, and the app on one at a fixed time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arl_tui.app import StudyApp
from arl_tui.made_up import make_study
from arl_tui.screens.dashboard import Dashboard
from state.folder import StudyFolder
from state.lock import EngineLock
from state.watch import Brief

NOW = datetime(2026, 11, 1, 23, 2, tzinfo=UTC)  # while experiment 59 of a made-up study runs

MakeStudy = Callable[..., StudyFolder]


@pytest.fixture
def study_folder(tmp_path: Path) -> Iterator[MakeStudy]:
    """Makes a made-up study of so many experiments; `alive` as if an engine had it."""
    locks: list[EngineLock] = []

    def make(experiments: int = 60, *, alive: bool = True, **options: Any) -> StudyFolder:
        folder = StudyFolder(tmp_path / "study")
        make_study(folder, experiments, running=alive, **options)
        if alive:
            locks.append(EngineLock(folder.lock))
        return folder

    yield make
    for lock in locks:
        lock.release()


@pytest.fixture(autouse=True)
def _at_the_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the opening, which hands over when it has been drawn."""
    monkeypatch.setattr(StudyApp, "DEFAULT_MODE", "dashboard")


@pytest.fixture
def study_app(study_folder: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StudyApp]:
    """The app on a made-up study, at a time that stands still; takes what `study_folder` takes."""
    monkeypatch.setitem(StudyApp.MODES, "dashboard", lambda: Dashboard(lambda: NOW))
    return lambda *args, **options: StudyApp(study_folder(*args, **options))


@pytest.fixture
def brief() -> Callable[..., Brief]:
    """A candidate that was discarded, with what is given instead."""

    def make(id: int, **changes: Any) -> Brief:
        fields = dict.fromkeys(Brief._fields)
        fields |= {"epoch_id": 1, "kind": "candidate", "status": "discard", "val_bpb": 2.0}
        fields |= {"summary": "", "reason": ""}
        return Brief(**{**fields, "id": id, **changes})  # type: ignore[arg-type]

    return make
