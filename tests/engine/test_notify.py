"""The notify command: what reaches it, and that it disturbs nothing."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.events import EngineEvent
from engine.notify import Note, Notifier, describe, run_command
from state.folder import StudyFolder
from state.records import NewStudy
from state.store import Store

pytestmark = pytest.mark.anyio

STUDY = NewStudy(name="night", seed=1, target_name="train.py", policy="local")
NASTY = "#7 kept: $(touch owned) `x` \x1b[31mred\x1b[0m\nsecond\x00line \ud800"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.create(StudyFolder(tmp_path / "study"), STUDY) as opened:
        yield opened


class Told:
    """Runs a notifier whose command writes down what it gets."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.events: list[EngineEvent] = []
        self.log = folder / "told"
        self.command = f"cat >> {self.log}"

    async def notes(self, *events: EngineEvent, command: str | None = "") -> list[Any]:
        async with anyio.create_task_group() as tasks:
            chosen = self.command if command == "" else command
            notifier = Notifier(chosen, self.store, tasks, self.events.append, 5.0)
            for event in events:
                notifier.announce(event)
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def told(store: Store, tmp_path: Path) -> Told:
    return Told(store, tmp_path)


KEPT = EngineEvent("kept", NASTY, {"id": 7, "val_bpb": 2.25})


async def test_a_new_best_reaches_it_as_json_and_in_the_environment(
    told: Told, tmp_path: Path
) -> None:
    variables = tmp_path / "variables"
    command = f"{told.command}; env > {variables}"
    (note,) = await told.notes(KEPT, command=command)
    assert (note["event"], note["experiment"], note["score"]) == ("best", 7, 2.25)
    assert (note["name"], note["study"], note["state"]) == (
        "night",
        str(tmp_path / "study"),
        "running",
    )
    assert note["sentence"].startswith("#7 kept: $(touch owned) `x` [31mred")
    assert note["sentence"].isprintable()
    found = dict(line.split("=", 1) for line in variables.read_text().splitlines() if "=" in line)
    assert found["ARL_EVENT"] == "best"
    assert found["ARL_SCORE"] == "2.25"
    assert found["ARL_SENTENCE"] == note["sentence"]
    assert found["PATH"] == os.environ["PATH"]
    assert not (Path.cwd() / "owned").exists()


@pytest.mark.parametrize(
    ("event", "kind", "state"),
    [
        (
            EngineEvent("finished", "Finished: 5 of 5.", {"criterion": "experiments"}),
            "stop",
            "finished",
        ),
        (EngineEvent("stopped", "Stopped: by a person.", {"criterion": ""}), "stop", "stopped"),
        (
            EngineEvent("stopped", "Stopped: 10 of 10.", {"criterion": "failures"}),
            "failure",
            "stopped",
        ),
        (
            EngineEvent("stopped", "Stopped: 2 of 2.", {"criterion": "re-runs"}),
            "failure",
            "stopped",
        ),
    ],
)
async def test_each_end_is_told(told: Told, event: EngineEvent, kind: str, state: str) -> None:
    (note,) = await told.notes(event)
    assert (note["event"], note["state"], note["score"]) == (kind, state, None)
    assert told.events == [event]


async def test_what_is_none_of_these_or_has_no_command_runs_nothing(told: Told) -> None:
    assert await told.notes(EngineEvent("discarded", "no", {}), EngineEvent("paused", "p")) == []
    assert await told.notes(KEPT, command=None) == []
    assert len(told.events) == 3


async def test_one_runs_at_a_time_and_only_the_newest_waits(told: Told) -> None:
    kept = [EngineEvent("kept", f"#{n}", {"id": n, "val_bpb": 2.0}) for n in range(5)]
    async with anyio.create_task_group() as tasks:
        command = f"sleep 0.2; {told.command}"
        notifier = Notifier(command, told.store, tasks, told.events.append, 5.0)
        notifier.announce(kept[0])
        await anyio.sleep(0.05)
        for event in kept[1:]:
            notifier.announce(event)
        tasks.cancel_scope.cancel()  # as at the engine's end: the last is awaited all the same
    notes = [json.loads(line) for line in told.log.read_text().splitlines()]
    assert [note["experiment"] for note in notes] == [0, 4]


async def test_a_failing_command_is_one_warning(told: Told) -> None:
    await told.notes(KEPT, command="exit 3")
    (warning,) = [event for event in told.events if event.type == "warning"]
    assert warning.sentence == "The notify command failed: it ended with exit code 3."
    async with anyio.create_task_group() as tasks:
        notifier = Notifier("exit 3", told.store, tasks, told.events.append, 5.0)
        for number in range(3):
            notifier.announce(EngineEvent("kept", "", {"id": number, "val_bpb": 2.0}))
            await anyio.sleep(0.05)
    assert len([event for event in told.events if event.type == "warning"]) == 2
    recorded = await told.store.events(type_="warning")
    assert [event.data["sentence"] for event in recorded] == [warning.sentence] * 2


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("exit 0", None),
        ("cat > /dev/null", None),
        ("sleep 2 & exit 0", None),  # what it leaves behind keeps nobody waiting
        ("exit 7", "it ended with exit code 7"),
        ("kill -9 $$", "it was ended by signal 9"),
        ("no-such-command-anywhere", "it ended with exit code 127"),
    ],
)
async def test_how_a_command_ends(command: str, problem: str | None) -> None:
    values = describe(Note("test", "a test"), "/somewhere")
    with anyio.fail_after(20):
        assert await run_command(command, values) == problem


async def test_a_hanging_command_is_killed_with_its_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"trap '' TERM; sh -c 'echo $$ > {pids}; sleep 60' & sleep 60"
    problem = await run_command(command, describe(Note("test", ""), "/somewhere"), 0.5)
    assert problem == "it was killed after 0.5 s"
    child = int(pids.read_text())
    with anyio.fail_after(5):
        while _runs(child):  # noqa: ASYNC110
            await anyio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_an_engine_that_fails_is_told_too(told: Told) -> None:
    async def fail() -> None:
        async with anyio.create_task_group() as tasks:
            notifier = Notifier(told.command, told.store, tasks, told.events.append, 5.0)
            with notifier.until_the_end():
                raise OSError("the disk has gone")

    with pytest.raises(ExceptionGroup):
        await fail()
    (note,) = [json.loads(line) for line in told.log.read_text().splitlines()]
    assert (note["event"], note["state"]) == ("stop", "failed")
    assert note["sentence"] == "Failed: the disk has gone."


async def test_a_closed_store_does_not_matter(told: Told, tmp_path: Path) -> None:
    async with Store.create(StudyFolder(tmp_path / "other"), STUDY) as other:
        pass
    async with anyio.create_task_group() as tasks:
        Notifier(told.command, other, tasks, told.events.append).announce(KEPT)
    assert json.loads(told.log.read_text())["experiment"] == 7
