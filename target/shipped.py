"""The shipped target: the script that a study edits when none is given."""

from __future__ import annotations

from pathlib import Path

from target import source

PATH = Path(__file__).with_name("train.py")


def read() -> str:
    """The text of the shipped train.py."""
    return source.read(PATH)
