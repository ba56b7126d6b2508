"""Policies on simulated studies, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from engine.policy_bench import BenchError, Contestant, Problem, StudyRecord, run_study

if TYPE_CHECKING:  # a worker starts faster without
    from engine.bench_journal import Journal

Maker = Callable[[int, str], Problem]
_Results = Generator[tuple[int, StudyRecord], None, None]
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def families() -> tuple[str, ...]:
    """The names of the families of simulated studies."""
    from policy.simulated_study import FAMILIES

    return tuple(FAMILIES)


def chosen_families(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The families that `name,name` names, all of them unless given. Raises BenchError."""
    known = families()
    if not wanted:
        return known
    chosen = [name.strip() for text in wanted for name in text.split(",")]
    for name in chosen:
        if name not in known:
            raise BenchError(f"There is no family {name!r}: choose one of {', '.join(known)}.")
    return tuple(dict.fromkeys(chosen))


def simulated(seed: int, family: str) -> Problem:
    """A simulated study."""
    from policy.simulated_study import make_study

    study: Problem = make_study(seed, family)
    return study


@dataclass(frozen=True)
class Task:
    """One policy in one study."""

    contestant: Contestant
    family: str
    seed: int
    experiments: int


def plan(
    entered: Sequence[Contestant], names: Sequence[str], seeds: Sequence[int], experiments: int
) -> list[Task]:
    """Every policy in every study, study by study; the families take turns."""
    return [
        Task(contestant, names[number % len(names)], seed, experiments)
        for number, seed in enumerate(seeds)
        for contestant in entered
    ]


def run_tasks(
    tasks: Sequence[Task],
    journal: Journal,
    finished: Callable[[StudyRecord], None],
    *,
    workers: int = 1,
    make: Maker = simulated,
) -> list[StudyRecord]:
    """The records of all tasks, in their order; what the journal has is not run again.

    With several workers `make` must be a function that another process can import.
    """
    for task in {task.contestant.label: task for task in reversed(tasks)}.values():
        # What is wrong with a policy is said at once.
        task.contestant.make(_made(make, task.seed, task.family).source, task.seed)
    records: dict[int, StudyRecord] = {}
    for number, task in enumerate(tasks):
        known = journal.study(task.contestant.label, task.family, task.seed, task.experiments)
        if known is not None:
            records[number] = known
            finished(known)
    missing = [number for number in range(len(tasks)) if number not in records]
    run = _in_workers if workers > 1 and len(missing) > 1 else _one_by_one
    with closing(run(tasks, missing, make, workers)) as results:
        for number, record in results:
            journal.add_study(record)
            records[number] = record
            finished(record)
    return [records[number] for number in range(len(tasks))]


def _one_by_one(
    tasks: Sequence[Task], numbers: Sequence[int], make: Maker, workers: int
) -> _Results:
    del workers
    for number in numbers:
        yield number, _run(tasks[number], make)


def _in_workers(
    tasks: Sequence[Task], numbers: Sequence[int], make: Maker, workers: int
) -> _Results:
    context = multiprocessing.get_context("spawn")  # forking a process that uses torch may hang
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(workers, len(numbers)), context, _begin_worker) as pool:
        try:
            with _deaf_to_interrupts():
                futures = {pool.submit(_run, tasks[number], make): number for number in numbers}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            if isinstance(error, BrokenProcessPool):
                raise BenchError("A worker process of the bench was killed.") from error
            raise


@contextmanager
def _deaf_to_interrupts() -> Generator[None, None, None]:
    """What is started in here never hears Ctrl-C; the parent does, a moment later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    """One thread each; ends with the process that started it, however that ended."""
    for name in _THREADS:
        os.environ[name] = "1"
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=follow, args=(parent.sentinel,), daemon=True).start()


def _run(task: Task, make: Maker) -> StudyRecord:
    problem = _made(make, task.seed, task.family)
    return run_study(task.contestant, problem, task.family, task.seed, task.experiments)


@lru_cache(maxsize=4)
def _made(make: Maker, seed: int, family: str) -> Problem:
    """A study holds nothing of its runs, so that all policies may use the same one."""
    return make(seed, family)
