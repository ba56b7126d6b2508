"""What a study was given: texts and earlier results, kept once and read by viewers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.errors import StoreConflict
from state.folder import StudyFolder
from state.read import Reader
from state.records import NewStudy, PriorResult
from state.store import Store

STUDY = NewStudy(name="n", seed=1, target_name="train.py", policy="random")


def result(position: int, score: float | None = 1.5, description: str = "") -> PriorResult:
    return PriorResult(
        position=position,
        commit="a1b2c3d",
        score=score,
        memory_mb=512.0,
        status="keep" if score is not None else "crash",
        description=description,
    )


@given(st.text(st.characters(exclude_characters="\0"), max_size=200))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_a_document_is_read_as_it_was_given(text: str) -> None:
    kept = text.encode("utf-8", "backslashreplace").decode()

    async def give(folder: StudyFolder) -> None:
        async with Store.create(folder, STUDY) as store:
            assert await store.set_document("program", text)
            assert not await store.set_document("program", text)
            assert await store.document("program") == kept

    with tempfile.TemporaryDirectory() as temporary:
        folder = StudyFolder(Path(temporary) / "study")
        anyio.run(give, folder)
        with Reader(folder) as reader:
            assert reader.document("program") == kept
            assert reader.document("other") is None


@pytest.mark.anyio
async def test_results_are_recorded_once(folder: StudyFolder) -> None:
    first = [result(0), result(1, None, "a crash \x1b[31m")]
    async with Store.create(folder, STUDY) as store:
        assert await store.add_prior_results(first) == 2
        assert await store.add_prior_results(first) == 0
        # What is there at a position stays.
        assert await store.add_prior_results([result(1, 9.0), result(2)]) == 1
        assert await store.prior_results() == [*first, result(2)]
    async with Store.open(folder) as store:
        assert await store.prior_results() == [*first, result(2)]
    with Reader(folder) as reader:
        assert reader.prior_results() == [*first, result(2)]
        assert [e.data["count"] for e in reader.events(type_="prior_results")] == [2, 1]


@pytest.mark.anyio
async def test_a_result_that_is_no_number_is_refused(folder: StudyFolder) -> None:
    async with Store.create(folder, STUDY) as store:
        with pytest.raises(StoreConflict, match="score is nan"):
            await store.add_prior_results([result(0), result(1, float("nan"))])
        assert await store.prior_results() == []
