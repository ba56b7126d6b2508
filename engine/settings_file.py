"""Writes an arl.toml for people: the tables of a draft, with a comment on what each key is for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import tomlkit
from tomlkit.container import Container
from tomlkit.items import Item, Table

from engine.settings import FILE, validate

_WIDE = 60  # columns of a list that stands in one line
_COLUMN = 36  # where comments begin that stand behind a value
_COMMENTS = {
    "name": "what the study is called",
    "target.path": "the one file that is edited",
    "target.dir": "where the command runs",
    "target.command": "trains once, and prints the score",
    "target.frozen": "checked before and after each experiment",
    "target.program": "what people and language models read first",
    "target.history": "earlier results: shown, never compared",
    "metric.name": "what the score is called",
    "metric.pattern": "the score is the group, in the last line that matches",
    "metric.direction": "min: less is better; max: more is",
    "metric.memory_pattern": "peak of memory in MiB",
    "progress.pattern": "lines of progress: the loss curve, and early aborts",
    "budget.seconds": "that one training may take",
    "budget.startup_seconds": "more, for start-up and evaluation; then it is ended",
    "access.read": "folders that the sandbox lets it read",
    "access.write": "folders that it may write; every experiment sees what others left there",
    "git.commits": "each kept edit is a commit on a branch of its own",
}
# What a table could say too, for people who look for it.
_FURTHER = {
    "access": ("network = true  # off unless given",),
    "git": ("commits = true  # each kept edit is a commit on a branch of its own",),
    "limits": ("max_hours = 8.0", "max_experiments = 100"),
}


def settings_text(tables: Mapping[str, Any], about: str) -> str:
    """The text of an arl.toml with these tables; `about` says what they are for.

    Raises SettingsError when they are no settings.
    """
    document = tomlkit.document()
    for line in about.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.comment("Every key, and many more: docs/settings.md"))
    for name, value in tables.items():
        if isinstance(value, Mapping):
            document.add(tomlkit.nl())
            document.add(name, _table(name, value))
        else:
            _add(document, name, name, value)
    text = tomlkit.dumps(document)
    for name, lines in _FURTHER.items():
        if name not in tables:
            text += f"\n# [{name}]\n" + "".join(f"# {line}\n" for line in lines)
    validate(tomllib.loads(text), FILE)
    return text


def _table(path: str, values: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for key, value in values.items():
        if isinstance(value, Mapping):
            table.add(key, _table(f"{path}.{key}", value))
        else:
            _add(table, key, f"{path}.{key}", value)
    return table


def _add(place: Container | Table, key: str, path: str, value: object) -> None:
    item = _item(value)
    comment = _COMMENTS.get(path)
    length = len(f"{key} = {item.as_string()}")
    if comment and length < _COLUMN:
        item.comment(comment)
        item.trivia.comment_ws = " " * (_COLUMN - length)
    elif comment:
        place.add(tomlkit.comment(comment))
    place.add(key, item)


def _item(value: object) -> Item:
    if isinstance(value, str):
        # Patterns have backslashes, which a literal string shows as they are.
        literal = "\\" in value and "'" not in value and value.isprintable()
        return tomlkit.string(value, literal=literal)
    if isinstance(value, Sequence):
        items = tomlkit.array()
        items.extend(value)
        items.multiline(sum(len(str(each)) + 4 for each in value) > _WIDE)
        return items
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 300 reads better than 300.0
    return tomlkit.item(value)
