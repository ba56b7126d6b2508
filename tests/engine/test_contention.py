"""Contention of a study: when it is said, once, and what outlives a kill."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contention import OTHERS, WAITED, ContentionWatch, Turn
from engine.contention_log import ContentionLog
from engine.events import EngineEvent
from engine.keepers import record
from state.folder import StudyFolder
from state.read import Reader
from state.records import CONTENTION, Experiment, NewEpoch, NewExperiment, NewStudy, Outcome
from state.store import Store

Measured = tuple[float | None, float | None]


def run(number: int, measured: Measured, device: str = "cpu") -> Experiment:
    found = record(number, "candidate", "discard", "0", 1.0)
    waited, others = measured
    return Experiment(
        **vars(found) | {"contention": waited, "other_load": others, "device": device}
    )


def turns(measures: list[Measured], device: str = "cpu") -> list[Turn]:
    watch = ContentionWatch()
    found = [watch.add(run(number, one, device)) for number, one in enumerate(measures)]
    return [turn for turn in found if turn is not None]


def test_a_busy_machine_is_said_once_and_its_end_once() -> None:
    quiet, busy = (0.01, 0.02), (0.02, 0.52)
    found = turns([quiet] * 6 + [busy] * 8 + [quiet] * 8)
    assert [(turn.experiment_id, turn.contended) for turn in found] == [(8, True), (16, False)]
    assert found[0].sentence == (
        "The machine is busy: in the median, the last 5 trials waited for a processor 2 % of "
        "their time and left 52 % of the processors to other programs. Scores may spread more"
    )
    assert found[1].sentence.startswith("The machine is quiet again: ")


def test_one_trial_that_is_in_its_own_way_is_no_contention() -> None:
    assert turns([(0.01, None), (0.8, None), (0.01, None), (0.9, None), (0.0, None)] * 3) == []


def test_waiting_counts_everywhere_and_other_programs_where_they_use_the_device() -> None:
    assert len(turns([(WAITED + 0.01, 0.0)] * 3, "cuda:0")) == 1
    assert turns([(0.0, OTHERS + 0.5)] * 9, "cuda:0") == []
    assert len(turns([(None, OTHERS + 0.01)] * 3)) == 1
    assert turns([(None, None)] * 9) == []
    assert turns([(1.0, 1.0)] * 2) == []


shares = st.none() | st.floats(0, 1)


@given(st.lists(st.tuples(shares, shares), max_size=40))
def test_it_never_says_the_same_twice(measures: list[Measured]) -> None:
    found = turns(measures)
    assert [turn.contended for turn in found] == list(
        itertools.islice(itertools.cycle((True, False)), len(found))
    )
    for turn in found:
        beyond = (turn.waited or 0.0) > WAITED or (turn.others or 0.0) > OTHERS
        assert beyond if turn.contended else not beyond


@given(st.lists(st.tuples(st.floats(WAITED / 2, WAITED), st.none()), max_size=40))
def test_between_the_limits_nothing_changes(measures: list[Measured]) -> None:
    assert turns(measures) == []
    assert len(turns([(1.0, None)] * 5 + [(max(m[0] or 0, 0.051), None) for m in measures])) == 1


@pytest.mark.anyio
async def test_a_killed_engine_neither_forgets_it_nor_says_it_twice(tmp_path: Path) -> None:
    said: list[EngineEvent] = []
    folder = StudyFolder(tmp_path)
    study = NewStudy(name="s", seed=1, target_name="train.py", policy="random")
    epoch = NewEpoch(
        environment_digest="e", budget=1, clock="cpu", device_model="CPU", torch_version="2"
    )
    async with Store.create(folder, study) as store:
        await store.add_epoch(epoch)

        async def end(number: int, others: float) -> None:
            kind = "replicate" if number else "baseline"
            await store.enqueue(NewExperiment(kind=kind, source="", seed=number), operation=None)
            await store.start(number, slot=0, device="cpu")
            outcome = Outcome(status="keep", val_bpb=2.0, contention=0.01, other_load=others)
            await store.finish(number, outcome, operation="observe")

        for number in range(3):  # the last of them was recorded, and then came the kill
            await end(number, 0.5)
        for _ in range(2):  # and another, once it was said
            await ContentionLog(store, said.append).note(2)
        assert [event.type for event in said] == [CONTENTION]
        with Reader(folder) as reader:
            status = reader.status()
            assert status.contention is not None
            assert "50 % of the processors" in status.contention
            assert [e.experiment_id for e in reader.events(type_=CONTENTION)] == [2]
        log = ContentionLog(store, said.append)
        for number in range(3, 9):
            await end(number, 0.0)
            await log.note(number)
        assert len(said) == 2
        with Reader(folder) as reader:
            assert reader.status().contention is None
