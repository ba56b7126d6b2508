"""The toy study as a module, for tests that need a whole engine in one second."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    path = Path(__file__).with_name("toy_study.py")
    spec = importlib.util.spec_from_file_location("toy_study", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The toy problems as a module that worker processes can import, too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("toy_problems")
