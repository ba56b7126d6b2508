"""What the tables of a command target refuse."""

from __future__ import annotations

from typing import Any

import pytest

from engine.settings import SettingsError, validate


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"access": {"read": ["/"]}}, "name the folders"),
        ({"access": {"write": ["/usr/..", "/tmp"]}}, "name the folders"),
        ({"progress": {"pattern": r"step (\d+)"}}, "finds the loss"),
        ({"progress": {"pattern": "(?P<loss>"}}, "no regular expression"),
    ],
)
def test_what_cannot_work_is_refused_in_words(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        validate(tables)


def test_what_can_work_is_taken() -> None:
    found = validate(
        {"access": {"read": ["/data", "~"]}, "progress": {"pattern": r"(?P<loss>\S+)"}}
    )
    assert found.access.read[0] == "/data"
    assert found.progress.pattern == r"(?P<loss>\S+)"
