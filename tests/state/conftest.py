"""Studies to test on."""

from __future__ import annotations

from pathlib import Path

import pytest

from state.folder import StudyFolder


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "study with space, 100% ?#")
