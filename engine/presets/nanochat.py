"""karpathy/nanochat: pretraining of the base model by scripts/base_train.py."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from engine import metric_names, tool_access
from engine.checkout import Checkout, interpreter
from engine.presets import drafts
from engine.presets.drafts import Draft, Given, Question
from engine.tool_access import Needs

SCRIPT = "scripts/base_train.py"
METRIC = r"\bValidation bpb:\s*(\S+)"
MEMORY = r"^Peak memory usage:\s*([\d.]+)\s*MiB"
PROGRESS = (
    r"step\s+(?P<step>\d+)(?:/(?P<total>\d+))?\s+\((?P<percent>[\d.]+)%\)"
    r"\s*\|\s*loss:\s*(?P<loss>[-+.\w]+)"
)
# It trains for a number of steps, not for a time: few enough to end within the budget.
OPTIONS = "--run=dummy --num-iterations=500 --core-metric-every=-1 --sample-every=-1"
BUDGET = 1800.0
STARTUP = 300.0
_WRITTEN = ("base_checkpoints", "report")  # at its end; data and tokenizer are only read


def recognises(checkout: Checkout) -> bool:
    """Whether the script and its package are there."""
    return checkout.has(SCRIPT) and checkout.has("nanochat/gpt.py")


def draft(checkout: Checkout, given: Given) -> Generator[Question, str, Draft]:
    """Asks nothing; how long it trains is in the command, for a person to change."""
    yield from ()
    script = given.script or SCRIPT
    text = checkout.text(script)
    module = script.removesuffix(".py").replace("/", ".")
    python = interpreter(checkout)
    run = f"{python} python" if python == "uv run" else python
    command = given.command or f"{run} -m {module} {OPTIONS}"
    name = given.metric or "val_bpb"
    pattern = {"pattern": METRIC} if name == "val_bpb" else {}
    base = Path(os.environ.get("NANOCHAT_BASE_DIR") or "~/.cache/nanochat")
    needs = tool_access.of_script(text, command) + tool_access.compiled()
    needs += Needs(
        read=(str(base),),
        write=tuple(str(base / folder) for folder in _WRITTEN),
        made=tuple(base.expanduser() / folder for folder in _WRITTEN),
    )
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
        "budget": {"seconds": given.budget or BUDGET, "startup_seconds": STARTUP},
        **drafts.access(needs),
    }
    warnings = (
        *drafts.tool_warnings(checkout, command),
        "its runs last as long as --num-iterations says: choose what your device trains in the "
        "budget's seconds",
    )
    return Draft(tables, "karpathy/nanochat", warnings, needs.made)
