"""The command that writes an arl.toml for a folder: init."""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from arl_tui.commands.reading import Force
from arl_tui.commands.viewing import is_terminal
from arl_tui.exits import CommandError, Exit
from arl_tui.output import narrate, printable

if TYPE_CHECKING:
    from engine.metric_names import Direction
    from engine.presets import Draft, Question

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the script.")]
PresetName = Annotated[
    str | None,
    typer.Option("--preset", metavar="NAME", help="autoresearch, nanochat, script or sealed."),
]
Script = Annotated[
    Path | None, typer.Option("--script", metavar="FILE", help="The file that may be edited.")
]
RunBy = Annotated[str | None, typer.Option("--command", help="What trains and prints the score.")]
MetricName = Annotated[
    str | None, typer.Option("--metric", metavar="NAME", help="What the score is called.")
]
Better = Annotated[
    str | None, typer.Option("--direction", metavar="min|max", help="Which scores are better.")
]
Budget = Annotated[
    float | None, typer.Option("--budget", metavar="SECONDS", help="That one training may take.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the defaults.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(init)


def init(
    folder: Folder = Path("."),
    preset: PresetName = None,
    script: Script = None,
    command: RunBy = None,
    metric: MetricName = None,
    direction: Better = None,
    budget: Budget = None,
    yes: Yes = False,
    force: Force = False,
) -> None:
    """Look at a folder, ask what is not clear, and write an arl.toml that runs its script."""
    from arl_tui.commands.failures import told

    with told():
        from arl_tui.writing import write_whole
        from engine import checkout, presets
        from engine.presets import Given
        from engine.settings import FILE
        from engine.settings_file import settings_text

        try:
            found = checkout.look(folder.expanduser())
        except (OSError, ValueError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "it is no name of a folder"
            raise CommandError(f"{folder} cannot be looked at: {reason}.", Exit.TARGET) from error
        path = found.folder / FILE
        if path.exists() and not force:
            raise CommandError(f"{path} exists: `arl-tui init --force` writes it anew.")
        given = Given(
            script=None if script is None else _inside(script, found.folder),
            command=_filled("command", command),
            metric=_name(metric),
            direction=_direction(direction),
            budget=_seconds(budget),
        )
        name = preset or ("script" if script else presets.recognise(found))
        if name not in presets.PRESETS:
            known = ", ".join(presets.PRESETS)
            raise CommandError(f"There is no preset {name!r}: choose one of {known}.")
        try:
            draft = _drafted(presets.PRESETS[name].draft(found, given), not yes and is_terminal())
        except presets.DraftError as error:
            raise CommandError(str(error), Exit.TARGET) from error
        about = f"Written by `arl-tui init`, preset {name}."
        text = settings_text(draft.tables, about)
        write_whole(path, text.encode("utf-8"), force)
        for place in draft.folders:
            place.mkdir(parents=True, exist_ok=True)
    _tell(draft, path)


def _drafted(asking: Generator[Question, str, Draft], interactive: bool) -> Draft:
    """The draft, with answers from a person where one is there, and defaults elsewhere."""
    from engine.presets import DraftError

    try:
        question = next(asking)
        while True:
            if question.default is not None and (question.sure or not interactive):
                answer = question.default
            elif not interactive:
                raise DraftError(question.missing)
            else:
                answer = _ask(question)
            question = asking.send(answer)
    except StopIteration as ending:
        draft: Draft = ending.value
        return draft


def _ask(question: Question) -> str:
    """The answer of a person. Raises typer.Abort when they do not want to give one."""
    while True:
        text: str = typer.prompt(printable(question.text), default=question.default, err=True)
        answer = text.strip()
        problem = question.problem(answer)
        if answer and problem is None:
            return answer
        narrate(problem or "An answer is needed; Ctrl-C leaves everything as it is.")


def _inside(script: Path, folder: Path) -> str:
    """The script's path below the folder, which it may be given from or from where we are."""
    script = script.expanduser()
    path = next((p for p in (script, folder / script) if p.is_file()), None)
    if path is None:
        raise CommandError(f"There is no file {script}: name a script that is there.", Exit.TARGET)
    try:
        # Resolved, as the folder is: what is edited is the file that a link leads to.
        return path.resolve().relative_to(folder).as_posix()
    except ValueError:
        raise CommandError(
            f"{script} lies outside of {folder}: give its own folder, `arl-tui init DIR`."
        ) from None


def _filled(name: str, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise CommandError(f"--{name} is empty: leave it out, or give one.")
    return value


def _name(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[^\s\x00-\x1f]{1,40}", value):
        raise CommandError(
            f"--metric {value!r} is no name of a score: give at most 40 characters without spaces."
        )
    return value


def _direction(value: str | None) -> Direction | None:
    if value not in (None, "min", "max"):
        raise CommandError(f"There is no direction {value!r}: it is min (less is better) or max.")
    return cast("Direction | None", value)


def _seconds(value: float | None) -> float | None:
    if value is not None and not 0 < value < float("inf"):
        raise CommandError(f"--budget {value:g} is no number of seconds: give one above 0.")
    return value


def _tell(draft: Draft, path: Path) -> None:
    """Say what was recognised, what is missing, and what comes next."""
    narrate(f"Recognised {draft.recognised}.")
    for warning in draft.warnings:
        narrate(f"Warning: {warning}.")
    here = path.parent == Path.cwd()
    narrate(f"Wrote {path.name if here else path}: look at it, then start.")
    go = "" if here else f"cd {_quoted(path.parent)}; "
    target: Any = draft.tables["target"]
    narrate(f"Next: {go}arl-tui try {_quoted(target['path'])}   # one run by hand, then: arl-tui")


def _quoted(path: object) -> str:
    return shlex.quote(str(path))
