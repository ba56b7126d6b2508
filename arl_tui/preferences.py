"""What the viewer remembers of a person from one day to the next: the theme."""

from __future__ import annotations

import json
from pathlib import Path

from platformdirs import user_config_path

_LONGEST = 10_000


def _file() -> Path:
    return user_config_path("arl-tui") / "viewer.json"


def remembered_theme() -> str | None:
    """The theme chosen last, or None; a file that cannot be read is as good as none."""
    try:
        with _file().open(encoding="utf-8") as file:
            theme = json.loads(file.read(_LONGEST))["theme"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return theme if isinstance(theme, str) else None


def remember_theme(name: str) -> None:
    """Remember a theme, where the folder of settings can be written."""
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"theme": name}) + "\n", encoding="utf-8")
    except OSError:
        pass
