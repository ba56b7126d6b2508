"""karpathy/autoresearch and what has its layout: prepare.py, train.py, program.md."""

from __future__ import annotations

import ast
from collections.abc import Generator
from pathlib import Path
from typing import Any

from engine import metric_names, tool_access
from engine.checkout import Checkout, interpreter
from engine.presets import drafts
from engine.presets.drafts import Draft, Given, Question
from engine.printed_scores import read_output
from engine.tool_access import Needs
from target import source
from target.source import SourceError

DATA = "~/.cache/autoresearch"
METRIC = r"^val_bpb:\s*(\S+)"
MEMORY = r"^peak_vram_mb:\s*(\S+)"
PROGRESS = r"step\s+(?P<step>\d+)\s+\((?P<percent>[\d.]+)%\)\s*\|\s*loss:\s*(?P<loss>[-+.\w]+)"
BUDGET = 300.0  # seconds, where prepare.py does not say it in a number
STARTUP = 300.0  # import, compilation, and the evaluation at the end


def recognises(checkout: Checkout) -> bool:
    """Whether the three files are there, and the script prints the score as the original does."""
    if not all(checkout.has(name) for name in ("prepare.py", "train.py", "program.md")):
        return False
    try:
        return read_output(checkout.text("train.py")).score("val_bpb") is not None
    except SourceError:
        return True  # what is wrong with it is said later


def draft(checkout: Checkout, given: Given) -> Generator[Question, str, Draft]:
    """Asks nothing: the layout says it all."""
    yield from ()
    script = given.script or "train.py"
    text = checkout.text(script)
    command = given.command or f"{interpreter(checkout)} {script}"
    name = given.metric or "val_bpb"
    pattern = {"pattern": METRIC} if name == "val_bpb" else {}
    tables: dict[str, Any] = {
        "name": drafts.study_name(checkout),
        "target": drafts.target(checkout, script, text, command),
        "metric": {
            "name": name,
            **pattern,
            "direction": drafts.direction_of(given, metric_names.direction(name), name),
            "memory_pattern": MEMORY,
        },
        "progress": {"pattern": PROGRESS},
        "budget": {
            "seconds": given.budget or _time_budget(checkout) or BUDGET,
            "startup_seconds": STARTUP,
        },
    }
    needs = Needs(read=(DATA,)) + tool_access.of_script(text, command)
    needs += tool_access.hub() + tool_access.compiled()
    tables |= drafts.access(needs)
    if checkout.is_repository:
        tables["git"] = {"commits": True}
    return Draft(tables, "karpathy/autoresearch", _warnings(checkout, command), needs.made)


def _time_budget(checkout: Checkout) -> float | None:
    """TIME_BUDGET of prepare.py, where it is a number there."""
    try:
        tree = source.syntax_tree(source.read(checkout.folder / "prepare.py"))
    except SourceError:
        return None
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="TIME_BUDGET")], value=ast.Constant(value=int() | float() as n)
            ) if n > 0 and not isinstance(n, bool):
                return float(n)
    return None


def _warnings(checkout: Checkout, command: str) -> tuple[str, ...]:
    warnings = drafts.tool_warnings(checkout, command)
    if not Path(DATA).expanduser().is_dir():
        prepare = f"{interpreter(checkout)} prepare.py"
        warnings += (f"there is no data in {DATA} yet: `{prepare}` makes it",)
    return warnings
