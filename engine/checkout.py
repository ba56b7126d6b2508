"""A folder that a person wants studied: what lies in it, as far as names and texts tell."""

from __future__ import annotations

import ast
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from target import source
from target.source import SourceError

_NO_TRAINING = ("setup.py", "conftest.py", "noxfile.py", "manage.py", "configurator.py")
_INSIDE = ("scripts", "src", "examples")  # where projects keep their scripts
_NO_PACKAGES = ("tests", "test", "docs", "build", "dist", "venv", "env", "node_modules", "wandb")
_MOST_SCRIPTS = 100
_MOST_MODULES = 100
_LARGEST = 4 << 20  # bytes of a script that is read


@dataclass(frozen=True)
class Checkout:
    """A folder, by its absolute path, and the names of what it holds."""

    folder: Path
    names: frozenset[str]

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def has(self, path: str) -> bool:
        """Whether there is a file at a path below the folder."""
        return (self.folder / path).is_file()

    @property
    def scripts(self) -> tuple[str, ...]:
        """The scripts that may train something, by their paths below the folder."""
        top = sorted(name for name in self.names if _may_train(name) and self.has(name))
        found = [*top, *self._inside(name for name in _INSIDE if name in self.names)]
        return tuple((found or self._inside(sorted(self.names)))[:_MOST_SCRIPTS])

    @property
    def is_repository(self) -> bool:
        """Whether the folder belongs to a git repository."""
        return any((folder / ".git").exists() for folder in (self.folder, *self.folder.parents))

    def text(self, script: str) -> str:
        """The text of a script below the folder. Raises SourceError in one sentence."""
        path = self.folder / script
        try:
            large = path.stat().st_size > _LARGEST
        except OSError:
            large = False  # the sentence of `read` is better
        if large:
            raise SourceError(f"{script} cannot be used: it is too large for a script")
        try:
            text = source.read(path)
            source.syntax_tree(text)
        except SourceError as error:
            raise SourceError(f"{script} cannot be used: {error}") from error
        return text

    def imported(self, text: str, script: str = "") -> tuple[str, ...]:
        """The files of the folder that a script imports, directly or not; paths below it."""
        found: dict[str, None] = {}
        beside = script.split("/")[:-1]
        pending = [(text, beside)]
        while pending and len(found) < _MOST_MODULES:
            text, package = pending.pop()
            for parts in _imports(text, package):
                # A script's own folder comes first when it is run by its path.
                for path in dict.fromkeys((*self._files([*beside, *parts]), *self._files(parts))):
                    if path not in found:
                        found[path] = None
                        try:
                            pending.append((self.text(path), path.split("/")[:-1]))
                        except SourceError:
                            pass  # it stays as it is all the same
        return tuple(sorted(found))

    def _inside(self, folders: Iterable[str]) -> list[str]:
        return [
            f"{folder}/{name}"
            for folder in folders
            if not folder.startswith(".") and folder not in _NO_PACKAGES
            for name in sorted(_listed(self.folder / folder))
            if _may_train(name) and self.has(f"{folder}/{name}")
        ]

    def _files(self, parts: Sequence[str]) -> Iterator[str]:
        for end in range(len(parts), 0, -1):
            path = "/".join(parts[:end])
            yield from (p for p in (f"{path}.py", f"{path}/__init__.py") if self.has(p))


def look(folder: Path) -> Checkout:
    """What is in a folder. Raises OSError when it cannot be listed."""
    folder = folder.resolve()
    return Checkout(folder, frozenset(os.listdir(folder)))


def interpreter(checkout: Checkout) -> str:
    """How the folder's scripts are run: by uv where it has a lock file, else by its own Python."""
    if "uv.lock" in checkout:
        return "uv run"
    for name in (".venv", "venv"):
        if checkout.has(f"{name}/bin/python"):
            return f"{name}/bin/python"
    return "python3" if shutil.which("python") is None and shutil.which("python3") else "python"


def _may_train(name: str) -> bool:
    return (
        name.endswith(".py")
        and not name.startswith(("test_", "_", "."))
        and not name.endswith("_test.py")
        and name not in _NO_TRAINING
    )


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def started(checkout: Checkout, command: str) -> str | None:
    """The script below the folder that a command runs, by its path or with -m; None: not clear."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    modules = [f"{b.replace('.', '/')}.py" for a, b in pairwise(words) if a == "-m"]
    paths = [os.path.normpath(word) for word in words if word.endswith(".py")]
    return next((path for path in (*modules, *paths) if checkout.has(path)), None)


def runs_as_module(text: str, script: str) -> bool:
    """Whether a script in a folder imports from that folder as from a package."""
    package = script.split("/")[:-1]
    return bool(package) and any(parts[:1] == package[:1] for parts in _imports(text, package))


def _imports(text: str, package: Sequence[str]) -> Iterator[list[str]]:
    """The names of what a module of a package imports, in parts from the folder on."""
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = len(package) - node.level + 1 if node.level else 0
            if above < 0:
                continue
            module = [*package[:above], *(node.module.split(".") if node.module else ())]
            yield module
            yield from ([*module, alias.name] for alias in node.names)


def _tree(text: str) -> ast.Module:
    try:
        return source.syntax_tree(text)
    except SourceError:
        return ast.Module(body=[], type_ignores=[])
