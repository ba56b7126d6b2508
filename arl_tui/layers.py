"""The settings of a run, from their layers: the study's own, arl.toml, the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arl_tui.exits import CommandError
from engine.settings import FILE, Settings, load_file, merge, validate
from state.errors import StoreOlder
from state.folder import StudyFolder
from state.read import Reader
from state.upgrade import upgrade


def settings_here(asked: Mapping[str, Any]) -> Settings:
    """The settings of arl.toml in this folder and the command line. Raises SettingsError."""
    return validate(_layers({}, asked), origin())


def settings_of(folder: StudyFolder, asked: Mapping[str, Any]) -> Settings:
    """The settings with which the study in `folder`, if there is one, would go on.

    Raises SettingsError, and CommandError for what a study cannot change.
    """
    recorded: dict[str, Any] = {}
    if folder.exists:
        try:
            reader = Reader(folder)
        except StoreOlder:
            upgrade(folder)
            reader = Reader(folder)
        with reader:
            recorded = dict(reader.study().settings)
    # These belong to a run, not to the study: what was meant for last night ends with it.
    for table in ("limits", "review", "notify", "tui", "keys"):
        recorded.pop(table, None)
    settings = validate(_layers(recorded, asked), origin())
    if recorded:
        before = validate(merge(recorded), "the study's settings")
        for name, old, new in (
            ("seed", before.seed, settings.seed),
            ("policy", before.policy.name, settings.policy.name),
            ("a target that is", _kind(before), _kind(settings)),
            ("the metric", before.metric.name, settings.metric.name),
            ("the direction", before.metric.direction, settings.metric.direction),
        ):
            if old != new:
                raise CommandError(
                    f"This study was begun with {name} {old}, not {new}: "
                    "go on without that option, or start another study with --study."
                )
    return settings


def _kind(settings: Settings) -> str:
    return "sealed" if settings.target.command is None else "a command"


def origin() -> str:
    """Where a wrong setting must come from."""
    return f"{FILE} or the command line" if Path(FILE).exists() else "the command line"


def _layers(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    path = Path(FILE)
    return merge(recorded, load_file(path) if path.exists() else {}, asked)
