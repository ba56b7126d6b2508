"""Scripts in the styles that people write, each with \\n, \\r\\n and tabs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import settings

import target

settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")

_FOLDER = Path(__file__).with_name("scripts")
_TEXTS = {path.stem: path.read_text("utf-8") for path in sorted(_FOLDER.glob("*.txt"))}
_TEXTS["shipped"] = Path(target.__path__[0], "train.py").read_text("utf-8")


def _tabs(text: str) -> str:
    return re.sub(r"(?m)^( {4})+", lambda found: "\t" * (len(found[0]) // 4), text)


_STYLES = {
    "lf": lambda text: text,
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "tabs": _tabs,
    "bom": lambda text: "\ufeff" + text.rstrip("\n"),
}


@pytest.fixture(params=[f"{name}-{style}" for name in _TEXTS for style in _STYLES])
def any_script(request: pytest.FixtureRequest) -> str:
    """Every script in every style."""
    name, style = request.param.split("-")
    return _STYLES[style](_TEXTS[name])


@pytest.fixture
def scripts() -> dict[str, str]:
    """The scripts by name, as they are."""
    return dict(_TEXTS)
