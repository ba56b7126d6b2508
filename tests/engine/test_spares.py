"""Processes that wait for a candidate, and a slot that goes on while its last trial is scored."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, get_args

import anyio
import anyio.abc
import pytest

from engine.executor import Budget, Listener, Slot, TrialRequest, TrialResult
from engine.local import LocalExecutor
from engine.spares import Spare, Spares
from engine.supervised import SupervisorError
from engine.timing import Part
from env import processes
from env.sandbox import detect
from state.records import Process

if TYPE_CHECKING:
    from conftest import Trials

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(detect("auto").bwrap is None, reason="no spares without bubblewrap"),
]

SLOT = Slot(0, "cpu", 1, 4 << 30)
STEPS = Budget(4, "steps", 60.0)
# It leaves a note for whoever comes later, and says what it finds.
LOOKS = """\
import os
NUMBER = {number}
found = "note" in os.listdir(os.environ["TMPDIR"])
open(os.path.join(os.environ["TMPDIR"], "note"), "w").close()
def build_model(vocab_size, seq_len): ...
def train(model, run): ...
raise ValueError(f"{{NUMBER}} {{found}} {{os.path.exists({val!r})}}")
"""


class Executor:
    """A warm executor, and who supervised its trials."""

    def __init__(self, trials: Trials, tasks: anyio.abc.TaskGroup) -> None:
        confined = detect("auto")
        self.local = LocalExecutor(tasks, trials.environment, confined, trials.scratch, warm=True)
        self.supervisors: list[Process] = []
        self.trials = trials

    async def spare(self, slot: Slot = SLOT) -> Spare:
        """A spare that waits."""
        self.local.expect(slot, STEPS)
        place = self.local._machine.spares._places[slot.number]
        await place.started.wait()
        assert place.spare is not None
        return place.spare

    async def look(self, number: int, slot: Slot = SLOT) -> TrialResult:
        """Run a candidate that looks around."""
        source = LOOKS.format(number=number, val=str(self.trials.environment.val))

        async def on_process(process: Process) -> None:
            self.supervisors.append(process)

        request = TrialRequest(number, 1, source, 7, STEPS, slot)
        job = await self.local.submit(request, Listener(on_process=on_process))
        return await job.result()


@pytest.fixture
async def executor(trials: Trials) -> AsyncIterator[Executor]:
    async with anyio.create_task_group() as tasks:
        yield Executor(trials, tasks)
        tasks.cancel_scope.cancel()
    assert not trials.left()
    assert not list(trials.scratch.iterdir())


def found(number: int) -> str:
    return f"ValueError: {number} False False (line 7)"


async def test_a_spare_serves_one_trial(executor: Executor) -> None:
    spare = await executor.spare()
    waiting = spare.supervisor.identity
    await executor.spare()  # one is enough
    assert (await executor.look(1)).reason == found(1)
    assert executor.supervisors == [waiting]
    assert not spare.supervisor.alive
    assert (await executor.look(2)).reason == found(2)
    assert executor.supervisors[1] != waiting


async def test_a_spare_that_has_died_or_does_not_fit_costs_no_experiment(
    executor: Executor,
) -> None:
    spare = await executor.spare()
    waiting = spare.supervisor.identity
    assert waiting is not None
    with anyio.fail_after(20):
        while not (below := processes.descendants(waiting.pid)):  # noqa: ASYNC110
            await anyio.sleep(0.01)
    for pid in below:
        os.kill(pid, signal.SIGKILL)
    assert (await executor.look(1)).reason == found(1)
    await executor.spare(other := Slot(0, "cpu", 1, 5 << 30))
    assert (await executor.look(2)).reason == found(2)
    assert waiting not in executor.supervisors[1:]
    assert other != SLOT


async def test_a_spare_that_cannot_be_started_is_none() -> None:
    async def start(slot: Slot, budget: Budget) -> Spare:
        raise SupervisorError("no more processes")

    async with anyio.create_task_group() as tasks:
        spares = Spares(tasks, start)
        assert await spares.take(SLOT, STEPS) is None
        spares.prepare(SLOT, STEPS)
        assert await spares.take(SLOT, STEPS) is None
        assert await spares.take(SLOT, STEPS) is None


async def test_with_the_wall_clock_a_trial_starts_up_but_not_its_clock_beside_a_score(
    executor: Executor, tiny_candidate: str
) -> None:
    order: list[str] = []

    def request(number: int) -> TrialRequest:
        return TrialRequest(number, 1, tiny_candidate, 7, Budget(0.5, "wall", 60.0), SLOT)

    first = await executor.local.submit(request(1), Listener())
    assert await first.trained()
    second = await executor.local.submit(request(2), Listener(on_phase=order.append))
    one = await first.result()
    order.append("scored")
    two = await second.result()
    assert (one.status, two.status) == ("scored", "scored")
    assert order == ["starting", "scored", "training", "scoring"]
    assert set(one.timing) == set(get_args(Part))
    assert (
        two.startup_seconds < two.timing["spawn"] + two.timing["import"] + two.timing["build"] + 1
    )
    assert 0.4 < two.seconds < 1.5


HUNGRY = """\
import torch
class Model(torch.nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        if {builds}:
            raise MemoryError
        self.table = torch.nn.Embedding(vocab_size, vocab_size)
    def forward(self, idx):
        if not self.training:
            raise MemoryError
        return self.table(idx)
def build_model(vocab_size, seq_len):
    return Model(vocab_size)
def train(model, run):
    for x, y in run.batches(4): ...
"""


@pytest.mark.parametrize("builds", [True, pytest.param(False, marks=pytest.mark.soak)])
async def test_what_ran_out_of_memory_beside_another_is_run_once_more_alone(
    executor: Executor, builds: bool
) -> None:
    supervisors: list[Process] = []
    phases: list[str] = []

    async def on_process(process: Process) -> None:
        supervisors.append(process)

    request = TrialRequest(1, 1, HUNGRY.format(builds=builds), 7, STEPS, SLOT)
    job = await executor.local.submit(request, Listener(on_process, phases.append))
    lane = executor.local._lanes[0]
    if builds:
        async with lane.scoring:  # as if the one before were still being scored
            with anyio.move_on_after(60):
                while not lane.scoring.statistics().tasks_waiting:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            assert phases == ["starting"]
    else:
        await job.trained()
        lane.trials += 1  # as if the next one had been started
    assert (await job.result()).status == "oom"
    assert len(supervisors) == (2 if builds else 3)
    assert phases.count("starting") == 1 + builds
