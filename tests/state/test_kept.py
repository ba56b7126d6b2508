"""The chain of kept edits: one link for each promotion, whatever else becomes the incumbent."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from state.kept import kept_edits
from state.records import Experiment, Incumbent

KINDS = ("baseline", "candidate", "candidate", "candidate", "baseline")


def experiment(number: int, kind: str) -> Experiment:
    values: dict[str, Any] = dict.fromkeys(field.name for field in fields(Experiment))
    return Experiment(**{**values, "id": number, "kind": kind, "status": "keep"})


EXPERIMENTS = {number: experiment(number, kind) for number, kind in enumerate(KINDS)}


def row(seq: int, number: int, score: float, epoch: int = 1) -> Incumbent:
    return Incumbent(
        seq=seq, epoch_id=epoch, experiment_id=number, since=f"t{seq}", score=score, sigma=None
    )


def test_a_refined_mean_is_no_new_link_but_what_the_next_one_is_compared_with() -> None:
    rows = [row(1, 0, 2.5), row(2, 0, 2.4), row(3, 1, 2.3), row(4, 1, 2.35), row(5, 2, 2.1)]
    chain = kept_edits(rows, EXPERIMENTS)
    assert [link.experiment.id for link in chain] == [0, 1, 2]
    assert [link.score for link in chain] == [2.5, 2.3, 2.1]
    assert [link.since for link in chain] == ["t1", "t3", "t5"]
    deltas = [None if link.delta is None else round(link.delta, 6) for link in chain]
    assert deltas == [None, -0.1, -0.25]


def test_a_new_epoch_repeats_and_measures_but_keeps_nothing() -> None:
    rows = [row(1, 0, 2.5), row(2, 1, 2.3), row(3, 4, 9.0, 2), row(4, 1, 8.5, 2), row(5, 2, 8.0, 2)]
    chain = kept_edits(rows, EXPERIMENTS)
    assert [link.experiment.id for link in chain] == [0, 1, 2]
    assert chain[-1].before == rows[3]  # scores of another epoch do not compare


def test_the_first_edit_of_an_epoch_without_measured_incumbent_has_no_delta() -> None:
    chain = kept_edits([row(1, 0, 2.5), row(2, 1, 8.0, 2)], EXPERIMENTS)
    assert [link.delta for link in chain] == [None, None]


@given(st.lists(st.sampled_from(sorted(EXPERIMENTS)), max_size=12))
def test_what_is_kept_stays_as_it_is_however_the_record_grows(numbers: list[int]) -> None:
    rows = [row(seq, number, float(seq)) for seq, number in enumerate(numbers)]
    whole = kept_edits(rows, EXPERIMENTS)
    ids = [link.experiment.id for link in whole]
    assert len(ids) == len(set(ids))
    assert set(numbers) & {1, 2, 3} <= set(ids)
    for length in range(len(rows)):
        part = kept_edits(rows[:length], EXPERIMENTS)
        assert part == whole[: len(part)]
