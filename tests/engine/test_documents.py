"""A study takes in its program and the results of before; what is wrong with them is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.documents import record_documents
from engine.events import EngineEvent
from engine.prior_results import parse_results
from engine.settings import validate
from state.export import results_tsv
from state.folder import StudyFolder
from state.read import Reader
from state.records import NewStudy
from state.store import Store

pytestmark = pytest.mark.anyio
STUDY = NewStudy(name="night", seed=1, target_name="train.py", policy="local")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.create(StudyFolder(tmp_path / "study"), STUDY) as opened:
        yield opened


async def recorded(store: Store, **target: str) -> list[str]:
    """Take documents in; returns what was said."""
    said: list[EngineEvent] = []
    settings: dict[str, Any] = {"target": {"path": "train.py", "command": "x", **target}}
    await record_documents(store, validate(settings), said.append)
    assert {event.type for event in said} <= {"warning"}
    return [event.sentence for event in said]


async def test_a_changed_program_is_taken_anew(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "program.md"
    path.write_bytes(b"\xef\xbb\xbf# One\r\n\xff")
    assert await recorded(store, program=str(path)) == []
    assert await store.document("program") == "# One\r\n�"
    path.write_text("# Two\n")
    assert await recorded(store, program=str(path)) == []
    assert await recorded(store, program=str(path)) == []
    path.unlink()
    (sentence,) = await recorded(store, program=str(path))
    assert sentence == f"The program {path} cannot be read: No such file or directory."
    with Reader(store.folder) as reader:
        assert reader.document("program") == "# Two\n"
        assert len(reader.events(type_="document")) == 2
        assert [e.data["sentence"] for e in reader.events(type_="warning")] == [sentence]


async def test_a_program_that_is_no_text_file(store: Store, tmp_path: Path) -> None:
    (sentence,) = await recorded(store, program=str(tmp_path))
    assert "it is not a file" in sentence
    (tmp_path / "large.md").write_text("x" * (1 << 20) + "end")
    (sentence,) = await recorded(store, program=str(tmp_path / "large.md"))
    assert "longer than 1 MiB" in sentence
    assert await store.document("program") == "x" * (1 << 20)


async def test_the_history_is_taken_once(
    store: Store, checkouts: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(checkouts.RESULTS)
    assert await recorded(store, history=str(path)) == []
    path.write_text(checkouts.RESULTS + "f\t1.0\t1.0\tkeep\tlater\n")
    assert await recorded(store, history=str(path)) == []
    with Reader(store.folder) as reader:
        found = reader.prior_results()
    assert [result.status for result in found] == ["keep", "keep", "discard", "crash"]
    assert [result.score for result in found] == [2.3114, 2.2073, 2.2541, None]
    assert (found[0].memory_mb, found[3].memory_mb) == (pytest.approx(102.4), None)
    assert found[1].description == "MATRIX_LR 0.02 -> 0.04"


async def test_wrong_lines_of_the_history_are_said(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\na\tb\tc\td\te\n")
    (sentence,) = await recorded(store, history=str(path))
    assert sentence == f"The history {path}: line 2 is left out: 'b' is no number."


def test_columns_are_found_by_their_names() -> None:
    text = (
        "\ufeffStatus\taccuracy\tval_bpb\tdescription\r\nkeep\t0.5\t2.0\ta\tb\r\n\r\nkeep\t0.6\r\n"
    )
    found, wrong = parse_results(text, "accuracy")
    assert [(r.score, r.description, r.commit) for r in found] == [(0.5, "a b", ""), (0.6, "", "")]
    assert wrong == []
    assert [r.score for r in parse_results(text, "f1")[0]] == [2.0, None]
    assert parse_results("a,b\n1,2\n", "f1")[1] == [
        "it has no header with a column f1, as in commit, f1, status"
    ]
    assert parse_results("", "f1")[0] == []


def test_many_wrong_lines_are_few_sentences() -> None:
    text = "commit\tval_bpb\tstatus\n" + "a\tb\tkeep\n" * 50
    found, wrong = parse_results(text, "val_bpb")
    assert (found, len(wrong)) == ([], 4)
    assert wrong[-1] == "47 more lines are left out for such reasons"


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=300), st.sampled_from(["", results_tsv([])]))
def test_any_text_gives_results_that_can_be_kept(text: str, header: str) -> None:
    found, wrong = parse_results(header + text, "val_bpb")
    assert [result.position for result in found] == list(range(len(found)))
    assert all(result.score is None or abs(result.score) < float("inf") for result in found)
    assert all("\n" not in sentence for sentence in wrong)


def test_lines_end_at_line_ends_alone() -> None:
    head = "commit\tval_bpb\tstatus\tdescription\r\n"
    text = head + "a\t0.9\tkeep\tone\u2028two\x0cthree\rb\t0.8\tkeep\t\n"
    found, wrong = parse_results(text, "val_bpb")
    assert [result.commit for result in found] == ["a", "b"]
    assert wrong == []
