"""Any script that trains and prints a number."""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator
from typing import Any

from engine import metric_names, tool_access
from engine.checkout import Checkout, interpreter, runs_as_module, started
from engine.presets import drafts
from engine.presets.drafts import Draft, DraftError, Given, Question
from engine.printed_scores import Output, PrintedScore, read_output
from target.source import SourceError

BUDGET = 300.0
STARTUP = 120.0
_SHOWN = 5  # names that a sentence lists
_REQUIRED = re.compile(r"add_argument\(\s*[\"'](?:\w|[^)]*\brequired\s*=\s*True)")


def recognises(checkout: Checkout) -> bool:
    """Any folder."""
    return True


def draft(checkout: Checkout, given: Given) -> Generator[Question, str, Draft]:
    """Asks which script, how it is run, and what its score is called, where it is not clear."""
    script = given.script or (yield _which_script(checkout))
    text = checkout.text(script)
    command = given.command or (yield _which_command(checkout, script, text))
    printing = started(checkout, command) or script  # constants may be in a file of their own
    output = read_output(checkout.text(printing))
    metric = yield from _metric(given, output, printing)
    needs = tool_access.of_script(text, command)
    tables: dict[str, Any] = {
        "name": drafts.study_name(checkout),
        "target": drafts.target(checkout, script, text, command),
        "metric": metric | ({"memory_pattern": output.memory} if output.memory else {}),
        **({"progress": {"pattern": output.progress}} if output.progress else {}),
        "budget": {"seconds": given.budget or BUDGET, "startup_seconds": STARTUP},
        **drafts.access(needs),
    }
    better = "less" if metric["direction"] == "min" else "more"
    recognised = f"{script}, run by `{command}`; its score is {metric['name']}, {better} is better"
    warnings = drafts.tool_warnings(checkout, command) + drafts.site_warnings(text)
    return Draft(tables, recognised, warnings, needs.made)


def _which_script(checkout: Checkout) -> Question:
    scripts = checkout.scripts
    if not scripts:
        raise DraftError(
            f"There is no Python script in {checkout.folder}: go to the folder of the one that "
            "trains, or name it with --script."
        )
    scored = [name for name in scripts if _prints_score(checkout, name)]
    likely = next((s for s in scripts if s.rsplit("/")[-1] == "train.py"), None)
    if likely is None:
        likely = scored[0] if len(scored) == 1 else scripts[0] if len(scripts) == 1 else None
    shown = ", ".join(scripts[:_SHOWN]) + (", ..." if len(scripts) > _SHOWN else "")
    return Question(
        text=f"Which script may be edited ({shown})?",
        default=likely,
        sure=likely is not None and (scored or list(scripts)) == [likely],
        missing=f"There are several scripts here ({shown}): name one with --script.",
        problem=lambda answer: None if checkout.has(answer) else f"There is no file {answer}.",
    )


def _prints_score(checkout: Checkout, script: str) -> bool:
    try:
        return bool(read_output(checkout.text(script)).likely)
    except SourceError:
        return False


def _which_command(checkout: Checkout, script: str, text: str) -> Question:
    command = f"{interpreter(checkout)} {shlex.quote(script)}"
    if runs_as_module(text, script):
        python = interpreter(checkout)
        module = script.removesuffix(".py").replace("/", ".")
        command = f"{'uv run python' if python == 'uv run' else python} -m {shlex.quote(module)}"
    needs_more = _REQUIRED.search(text) is not None
    return Question(
        text="Which command runs it?",
        default=None if needs_more else command,
        sure=not needs_more,
        missing=f"{script} needs arguments: say the whole command with --command, for example "
        f'--command "{command} ...".',
    )


def _metric(given: Given, output: Output, script: str) -> Generator[Question, str, dict[str, str]]:
    """The table [metric], without memory."""
    name, said = given.metric, given.direction
    if name is None:
        question = _which_metric(output, script, given)
        name, said = _named((yield question), given, question.default)
    printed = output.score(name)
    known = printed.direction if printed else metric_names.direction(name)
    which = drafts.direction_of(Given(direction=said), known, name)
    pattern = {"pattern": printed.pattern} if printed else {}
    return {"name": printed.name if printed else name, **pattern, "direction": which}


def _which_metric(output: Output, script: str, given: Given) -> Question:
    found = output.likely or output.scores
    names = ", ".join(_described(score) for score in found[:_SHOWN])
    text = "What is the score called where it is printed? Add max where more is better."
    if found:
        text = f"Which printed number is the score ({names})?"
    default = _described(found[0]) if found else None
    if default and _metric_problem(default, given, None) is not None:
        text += " Add min where less is better, max where more is."
    return Question(
        text=text,
        default=default,
        sure=len(output.likely) == 1,
        missing=f"{script} prints no number that looks like a score: let it print one, such as "
        "`val_loss: 0.5`, or say what it is called with --metric.",
        problem=lambda answer: _metric_problem(answer, given, default),
    )


def _described(score: PrintedScore) -> str:
    return f"{score.name} max" if score.direction == "max" else score.name


def _named(answer: str, given: Given, default: str | None) -> tuple[str, Any]:
    """The name and the direction in an answer such as `accuracy max`; `max` is the default's."""
    words = answer.split()
    if words in (["min"], ["max"]) and default:
        words = [*default.split()[:1], *words]
    if len(words) > 1 and words[-1] in ("min", "max"):
        return "_".join(words[:-1]), given.direction or words[-1]
    return "_".join(words), given.direction


def _metric_problem(answer: str, given: Given, default: str | None) -> str | None:
    name, said = _named(answer, given, default)
    if not re.fullmatch(r"[^\s\x00-\x1f]{1,40}", name):
        return "A name has at most 40 characters."
    if said is None and metric_names.direction(name) is None:
        return f"Say `{name} min` where less is better, `{name} max` where more is."
    return None
