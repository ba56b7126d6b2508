"""Tells a person what has happened, by running the `[notify]` command of arl.toml.

It runs when a run of the study ends, when a candidate becomes the incumbent, and when failures keep
repeating. It can neither block nor end the engine: it runs beside everything else, in a session of
its own, one at a time, and is killed with its process group at its deadline. What happens meanwhile
waits; only the newest waits, and what it replaces is dropped. At the engine's end the last one is
awaited.

The command is the person's own, and nothing is ever put into it: what happened reaches it through
the environment and as JSON on stdin. A sentence may quote what a candidate wrote, so that control
characters are taken out of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import anyio
import anyio.abc

from engine.control import one_line
from engine.error_groups import first_error
from engine.events import Announce, EngineEvent
from engine.score_words import ScoreWords
from state.errors import StoreError
from state.metric import VAL_BPB, Metric
from state.rows import utc_now
from state.store import Store
from state.trim import plain_text

DEADLINE = 60.0  # seconds for one run of the command
_LONGEST = 1000  # characters of one value

Kind: TypeAlias = Literal["stop", "best", "failure", "test"]


@dataclass(frozen=True)
class Note:
    """What a person is told: its kind, one sentence, and the state that the study is in."""

    kind: Kind
    sentence: str
    state: str = "running"
    criterion: str = ""  # of the oracle, when it ended the run
    experiment: int | None = None
    score: float | None = None


class Notifier:
    """Watches what the engine announces, passes it on, and runs the command for some of it."""

    def __init__(
        self,
        command: str | None,
        store: Store,
        tasks: anyio.abc.TaskGroup,
        announce: Announce,
        deadline: float = DEADLINE,
    ) -> None:
        """`tasks` runs the command beside the engine, and waits for it; None: there is none."""
        self._command = command
        self._store = store
        self._tasks = tasks
        self._pass_on = announce
        self._deadline = deadline
        self._waiting: Note | None = None
        self._busy = False
        self._failing = False

    def announce(self, event: EngineEvent) -> None:
        """What the engine announces."""
        self._pass_on(event)
        note = _note(event)
        if note is not None:
            self.tell(note)

    @contextmanager
    def until_the_end(self) -> Iterator[None]:
        """Tell of an engine that ends by an error, too."""
        try:
            yield
        except BaseException as error:
            cancelled = isinstance(error, anyio.get_cancelled_exc_class())
            reason = "a part of the engine ended it" if cancelled else _why(error)
            self.tell(Note("stop", f"Failed: {reason}.", state="failed"))
            raise

    def tell(self, note: Note) -> None:
        """Run the command for a note, now or after the one that runs; returns at once."""
        if self._command is None:
            return
        self._waiting = note
        if not self._busy:
            self._busy = True
            self._tasks.start_soon(self._deliver, self._command, name="notify")

    async def _deliver(self, command: str) -> None:
        with anyio.CancelScope(shield=True):  # every run has its own deadline
            while self._waiting is not None:
                note, self._waiting = self._waiting, None
                try:
                    values = await self._described(note)
                    problem = await run_command(command, values, self._deadline)
                except Exception as error:  # whatever it is, it is not worth a night's run
                    problem = f"it could not be run ({type(error).__name__})"
                await self._report(problem)
            self._busy = False

    async def _described(self, note: Note) -> dict[str, Any]:
        experiment, score = note.experiment, note.score
        try:
            incumbent = await self._store.incumbent()
            name = (await self._store.study()).name
        except StoreError:
            incumbent, name = None, ""
        if experiment is None and incumbent is not None:
            experiment = incumbent.experiment_id
            score = ScoreWords(self._store.metric).raw(incumbent.score)
        return describe(
            note,
            str(self._store.folder.path),
            name=name,
            experiment=experiment,
            score=score,
            metric=self._store.metric,
        )

    async def _report(self, problem: str | None) -> None:
        """Record that the command failed; once, until it has worked again."""
        if problem is not None and not self._failing:
            sentence = f"The notify command failed: {problem}."
            self._pass_on(EngineEvent("warning", sentence))
            try:
                await self._store.event("warning", None, {"sentence": sentence})
            except StoreError:
                pass
        self._failing = problem is not None


def describe(
    note: Note,
    study: str,
    *,
    name: str = "",
    experiment: int | None = None,
    score: float | None = None,
    metric: Metric = VAL_BPB,
) -> dict[str, Any]:
    """A note as plain values: text without control characters, and numbers.

    `experiment` and `score` are those of the incumbent, in what the `metric` counts.
    """
    return {
        "event": note.kind,
        "state": note.state,
        "sentence": _printable(note.sentence),
        "criterion": note.criterion,
        "study": _printable(study),
        "name": _printable(name),
        "experiment": experiment,
        "score": score,
        "metric": _printable(metric.name),
        "direction": metric.direction,
        "self_reported": metric.self_reported,
        "at": utc_now(),
    }


async def run_command(
    command: str, values: Mapping[str, Any], deadline: float = DEADLINE, *, quiet: bool = True
) -> str | None:
    """Run the command once, with `values` in ARL_* variables and as JSON on stdin.

    Returns why it failed, or None. At the deadline its process group is killed. `quiet` drops what
    it prints.
    """
    variables = {f"ARL_{key.upper()}": _as_variable(value) for key, value in values.items()}
    output = subprocess.DEVNULL if quiet else None
    # No pipe: whoever does not read it, or leaves something behind that holds it, disturbs nobody.
    with os.fdopen(os.memfd_create("notification"), "w+b") as body:
        body.write(json.dumps(values).encode() + b"\n")
        body.seek(0)
        try:
            process = await anyio.open_process(
                command,
                stdin=body,
                stdout=output,
                stderr=output,
                env={**os.environ, **variables},
                start_new_session=True,
            )
        except OSError as error:
            return f"it could not be started ({error.strerror})"
    code: int | None = None
    try:
        with anyio.move_on_after(deadline):
            code = await process.wait()
    finally:
        if code is None:
            with anyio.CancelScope(shield=True):
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                await process.wait()
    if code is None:
        return f"it was killed after {deadline:g} s"
    if code < 0:
        return f"it was ended by signal {-code}"
    return f"it ended with exit code {code}" if code else None


def _note(event: EngineEvent) -> Note | None:
    """What a person is told of an engine's event, if anything."""
    if event.type == "kept":
        number, score = event.data["id"], event.data["val_bpb"]
        return Note("best", event.sentence, experiment=number, score=score)
    if event.type in ("finished", "stopped"):
        criterion = str(event.data.get("criterion", ""))
        failed = criterion in ("failures", "re-runs")
        kind: Kind = "failure" if failed else "stop"
        return Note(kind, event.sentence, state=event.type, criterion=criterion)
    return None


def _as_variable(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else ""
    return "" if value is None else str(value)


def _printable(text: str) -> str:
    return one_line(plain_text(text))[:_LONGEST]


def _why(error: BaseException) -> str:
    error = first_error(error)
    return str(error).rstrip(".") or type(error).__name__
