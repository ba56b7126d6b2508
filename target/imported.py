"""The modules beside a script that it imports: what its asserts may be about."""

from __future__ import annotations

import ast
from pathlib import Path

from target import source
from target.source import Script, SourceError, parse

_MOST = 32  # modules that are read
_LARGEST = 2**20  # bytes


def modules_beside(path: Path) -> dict[str, str]:
    """The sources of the modules in the script's folder that it imports, by module name.

    Modules that these import are among them. What cannot be read is left out.
    """
    found: dict[str, str] = {}
    pending = [source.read(path)]
    while pending and len(found) < _MOST:
        try:
            names = _imported(parse(pending.pop()))
        except SourceError:
            continue
        for name in names:
            file = path.parent.joinpath(*name.split(".")).with_suffix(".py")
            if name in found or file == path or not _is_small(file):
                continue
            try:
                found[name] = source.read(file)
            except SourceError:
                continue
            pending.append(found[name])
    return found


def _imported(script: Script) -> list[str]:
    names: list[str] = []
    for node in script.nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return list(dict.fromkeys(names))


def _is_small(file: Path) -> bool:
    try:
        return file.is_file() and file.stat().st_size <= _LARGEST
    except OSError:
        return False
