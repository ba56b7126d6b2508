"""Names that edits leave alone: what keeps scores comparable, and what is no hyperparameter.

A smaller evaluation or a longer run would score better without being better, and a path, a log
interval or the number of workers teaches nothing. In a sealed script the harness sees to all of
this, and its constants are sites whatever they are called. A hint `# arl: range` or
`# arl: choices` makes a site of any name but a seed's.
"""

from __future__ import annotations

import ast
import re
from functools import cache, lru_cache

from target.seeds import is_seed
from target.source import Function, Script

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
# Words are in capitals, between underscores: `maxIters`, `max-iters` are _MAX_ITERS_.
_LEFT_ALONE: tuple[tuple[str, str], ...] = (
    (
        "it belongs to the evaluation",
        r"_(EVAL(S|UATE|UATION)?|VAL|VALID|VALIDATION|TEST|TESTING|HOLDOUT|SPLIT|METRICS?)_",
    ),
    (
        "the budget is the study's",
        r"_(BUDGET|DEADLINE|TIMEOUT|STARTUP)_|_(TIME|WALL|TOKEN)_(LIMIT|CAP)_"
        r"|_(MAX|TOTAL|TRAIN|TRAINING|N|NUM)_(RUN_)?(TIME|SECONDS|SECS|MINUTES|MINS|HOURS)_",
    ),
    (
        "a longer run is no better script",
        r"^_((MAX|TOTAL|NUM|N|TRAIN|TRAINING|SCHEDULED|EXTENSION)_)*"
        r"(STEPS?|ITERS?|ITERATIONS?|EPOCHS?)_$"
        r"|^_((MAX|TOTAL|NUM|N|TRAIN|TRAINING)_)+(TOKENS|UPDATES|BATCHES)_$",
    ),
    (
        "it is about logs and checkpoints",
        r"_(WANDB|TENSORBOARD|MLFLOW|LOGGING|LOGGER|CHECKPOINT(S|ING)?|CKPT|SAVE|SAVING|RESUME"
        r"|VERBOSE|VERBOSITY|DEBUG|PROFILE|PROFILER|PRINT|REPORT|PLOT|FLOPS|MFU)_"
        r"|_LOG_(EVERY|INTERVAL|FREQ|FREQUENCY|PERIOD|STEPS?|ITERS?|DIR|FILE|LEVEL|TO|RUN)_|_LOG_$",
    ),
    (
        "it is a place or a name",
        r"_(PATH|DIR|DIRECTORY|FOLDER|ROOT|FILE|FILENAME|URL|URI|HOST|PORT|PROJECT|ENTITY"
        r"|DATASET|REPO|NAME|VERSION|TAG|INIT_FROM)S?_",
    ),
    (
        "it is about the machine",
        r"_(WORKERS?|THREADS?|JOBS|PREFETCH|BACKEND|WORLD_SIZE|PIN_MEMORY)_"
        r"|_(LOCAL|GLOBAL|DDP|NODE)_RANK_|^_((N|NUM|CUDA|TORCH|MAIN)_)?DEVICES?_$"
        r"|^_(USE_)?(COMPILE|CUDA|GPU|MPS|DDP)_$"
        r"|^_((N|NUM)_GPUS?|NGPUS?)_$",
    ),
    (
        "it is a shape of the data",
        r"_VOCAB_|_(N|NUM)_(CLASS|CLASSES|LABELS)_|_(IN|OUT|INPUT|OUTPUT)_(DIM|SIZE|FEATURES"
        r"|CHANNELS)_|_(N|NUM|MAX|TRAIN|DATA)_(SAMPLES|EXAMPLES|ROWS|SHARDS|FILES|DOCS|TRAIN)_"
        r"|_(IMAGE|IMG)_SIZE_|_(DATA|TRAIN|CORPUS)_(SIZE|FRAC|FRACTION|RATIO|SHARE)_|_IGNORE_INDEX_"
        r"|_(PAD|EOS|BOS|MASK)_(ID|IDX|TOKEN)_",
    ),
)
_PATTERNS = tuple((why, re.compile(pattern)) for why, pattern in _LEFT_ALONE)
_LENGTH = re.compile(
    r"_(SEQ|SEQUENCE|CONTEXT|CTX|BLOCK)_(LEN|LENGTH|SIZE)_|_MAX_(LEN|LENGTH)_|^_(SEQLEN|CONTEXT)_$"
)
_EVALUATES = re.compile(
    r"_(EVAL(S|UATE|UATION|UATOR)?|VAL|VALID|VALIDATE|VALIDATION|TEST|TESTING|ESTIMATE_LOSS)_"
)


def reason_against(script: Script, name: str) -> str | None:
    """Why an edit should leave what has this name alone; None when it may change."""
    why = by_name(name)
    if why is None and _LENGTH.search(_words(name)) and name in _read_by_evaluation(script):
        why = "the evaluation uses it"
    return why


@cache
def by_name(name: str) -> str | None:
    """What the name alone says against an edit."""
    if is_seed(name):
        return "a seed is luck"
    words = _words(name)
    return next((why for why, pattern in _PATTERNS if pattern.search(words)), None)


def _evaluates(function: str) -> bool:
    return _EVALUATES.search(_words(function)) is not None


def _words(name: str) -> str:
    return f"_{'_'.join(word.upper() for word in _WORD.findall(name))}_"


@lru_cache(maxsize=64)
def evaluation_lines(script: Script) -> frozenset[int]:
    """The lines of the functions that say by their names that they evaluate."""
    return frozenset(
        line
        for node in script.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _evaluates(node.name)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )


@lru_cache(maxsize=64)
def _read_by_evaluation(script: Script) -> frozenset[str]:
    """Names and attributes that evaluating functions read, or are called with.

    A function evaluates when its name says so, or when one that does calls it.
    """
    functions: dict[str, Function] = {
        node.name: node
        for node in script.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    pending = [name for name in functions if _evaluates(name)]
    done: set[str] = set()
    read: set[str] = set()
    for node in script.nodes:
        if isinstance(node, ast.Call) and _evaluates(_last(node.func)):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            read.update(name for part in arguments for name in _names(part))
    while pending:
        name = pending.pop()
        if name in done:
            continue
        done.add(name)
        read.update(_names(functions[name]))
        calls = (node for node in ast.walk(functions[name]) if isinstance(node, ast.Call))
        pending += [called for call in calls if (called := _last(call.func)) in functions]
    return frozenset(read)


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _names(root: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(root):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found
