"""What presets ask and return, and the parts of a draft that several of them share."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.checkout import Checkout, started
from engine.metric_names import Direction
from engine.tool_access import Needs
from target.sites import find_sites

LOCK_FILES = ("pyproject.toml", "uv.lock", "requirements.txt")


class DraftError(ValueError):
    """What a person gave, or what lies in the folder, cannot be used: one sentence."""


@dataclass(frozen=True)
class Given:
    """What a person has said already; None where they have not."""

    script: str | None = None  # its path below the folder
    command: str | None = None
    metric: str | None = None
    direction: Direction | None = None
    budget: float | None = None  # seconds


@dataclass(frozen=True)
class Question:
    """Something that only a person knows, unless the preset is `sure` of the default."""

    text: str
    default: str | None
    sure: bool
    missing: str  # the sentence for a person who cannot be asked, where there is no default
    problem: Callable[[str], str | None] = lambda answer: None  # why an answer will not do


@dataclass(frozen=True)
class Draft:
    """An arl.toml in the making: its tables, and what to tell the person.

    `folders` are made when the file is written.
    """

    tables: Mapping[str, Any]
    recognised: str
    warnings: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()


def study_name(checkout: Checkout) -> str:
    """A name for the study: that of the folder."""
    name = checkout.folder.name.encode("utf-8", "replace").decode()  # which may be no text
    return re.sub(r"[\x00-\x1f\x7f]", "", name)[:100] or "study"


def papers(checkout: Checkout) -> dict[str, str]:
    """Keys of [target] for what people wrote beside the script, where it is there."""
    names = {"program": "program.md", "history": "results.tsv"}
    return {key: name for key, name in names.items() if checkout.has(name)}


def target(
    checkout: Checkout, script: str, text: str, command: str, *, reseed: bool = False
) -> dict[str, Any]:
    """The table [target] of a script that a command runs in the folder.

    Frozen is what the script imports from the folder, what the command runs, if that is another
    script, and what names its dependencies. `reseed` is for scripts whose seeds are known to decide
    about nothing but luck.
    """
    files = [*checkout.imported(text, script)]
    runs = started(checkout, command)
    if runs not in (None, script):  # it imports the script, or starts it
        files += [runs, *checkout.imported(checkout.text(runs), runs)]
    files += [name for name in LOCK_FILES if checkout.has(name)]
    frozen = [name for name in dict.fromkeys(files) if name != script]
    return {
        "path": script,
        **({"dir": "."} if "/" in script else {}),
        "command": command,
        **({"frozen": frozen} if frozen else {}),
        **({"reseed": True} if reseed else {}),
        **papers(checkout),
    }


def access(needs: Needs) -> dict[str, Any]:
    """The table [access] in a table of its own; without needs there is none."""
    table = {"read": list(needs.read), "write": list(needs.write), "env": dict(needs.env)}
    given = {key: value for key, value in table.items() if value}
    return {"access": given} if given else {}


def tool_warnings(checkout: Checkout, command: str) -> tuple[str, ...]:
    """What is missing on this machine for the command to work."""
    if not re.match(r"uv\s", command):
        return ()
    warnings = []
    if shutil.which("uv") is None:
        warnings.append("uv is not installed on this machine: the command will not work without it")
    if not (checkout.folder / ".venv").is_dir():
        warnings.append("there is no .venv yet: `uv sync` makes it, and experiments do not")
    return tuple(warnings)


def site_warnings(text: str) -> tuple[str, ...]:
    """That there is nothing to edit, if so. Raises SourceError for a hint that is wrong."""
    if find_sites(text):
        return ()
    return ("it has nothing that an edit could change: give it constants, such as `LR = 0.1`",)


def direction_of(given: Given, known: Direction | None, name: str) -> Direction:
    """Which way is better. Raises DraftError where nobody has said it."""
    found = given.direction or known
    if found is None:
        raise DraftError(
            f"Is less or more of {name} better? Say it with --direction min or --direction max."
        )
    return found
